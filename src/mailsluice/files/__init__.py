"""Files and directories: whose they are, who may write them, and how they are made durable."""
