"""Files and directories: who owns them, who may write them, and how they are made durable."""
