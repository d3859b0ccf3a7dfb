"""The words of the causes on the way to a server: name, network, firewall, proxy, TLS.

Owns these words: for each a stable word, what is wrong, and what to do. They are rows of `causes`, as the
others are; only they concern any server and not Exchange Online alone. Must never know when one is the cause.
"""

from __future__ import annotations

NO_SUCH_HOST = (
    "no-such-host",
    "no DNS server knows {host}",
    (
        "check the spelling of the name, and this machine's DNS: `getent hosts {host:sh}`; or name the "
        "`proxy` that must be used{unused_proxy}"
    ),
)
NO_DNS = (
    "no-dns",
    "this machine's name servers do not answer",
    "check this machine's DNS: `getent hosts {host:sh}`, /etc/resolv.conf, and UDP port 53 in the firewall",
)
NO_NETWORK = (
    "no-network",
    "this machine reaches no server at all",
    "check this machine's network: cable, route and DNS",
)
REFUSED_BY_FIREWALL = (
    "refused-by-firewall",
    "nothing listens on {server}, or a firewall refuses the connection",
    (
        "check host and port (POP3 over TLS is 995); if they are right, let this machine connect to {server} "
        "in the firewall, or name the `proxy` that must be used{unused_proxy}"
    ),
)
DROPPED_BY_FIREWALL = (
    "dropped-by-firewall",
    "a firewall drops the packets to {server}, or the server is down",
    (
        "let this machine connect to {server} in the firewall, or name the `proxy` that must be "
        "used{unused_proxy}"
    ),
)
PROXY = (
    "proxy",
    "the proxy cannot be reached, or does not let this through",
    "{of_proxy}",
)
BROKEN_OFF = (
    "broken-off",
    "something breaks off the TLS handshake with {server}: a firewall with TLS inspection, or the server",
    "try again in some minutes; if it stays so, ask who runs the firewall to let {server} through",
)
SILENT = (
    "silent",
    (
        "something accepts the connection to {server} and then says nothing: a firewall with TLS inspection, "
        "or a busy server"
    ),
    "try again in some minutes; if it stays so, ask who runs the firewall to let {server} through",
)
INTERCEPTED = (
    "intercepted",
    "something between here and {host} inspects TLS, and signs with its own authority{issuer}",
    "let {server} through without TLS inspection; or put that authority into a file and name it in `ca_file`",
)
OWN_AUTHORITY = (
    "own-authority",
    "the server's certificate is of an authority that this machine does not know{issuer}",
    (
        "if the server is yours, name its authority in `ca_file`; if not, see whether `ca_file` names other "
        "authorities than this server's, or whether this machine's own are missing (package ca-certificates)"
    ),
)
CERTIFICATE_ENDED = (
    "certificate-ended",
    "the server's certificate has expired",
    "if this machine's clock is right, the server needs a new certificate",
)
CERTIFICATE_EARLY = (
    "certificate-early",
    "the server's certificate is not valid yet",
    "if this machine's clock is right, the server needs another certificate, or has to wait for this one",
)
OTHER_NAME = (
    "other-name",
    "the server's certificate is for another name than {host}",
    "set `host` to a name in the certificate; if it has none, the server needs a new one",
)
WEAK_CERTIFICATE = (
    "weak-certificate",
    "the server's certificate is too weak",
    "the server needs a new one, with RSA of 2,048 bits or more and SHA-256",
)
OLD_TLS = (
    "old-tls",
    "only a TLS older than 1.2 is offered, which is not secure",
    "update the server; for Exchange Online, look for TLS inspection on the way",
)
NO_TLS = (
    "no-tls",
    "there is no TLS on this port",
    (
        "check the port (POP3 over TLS is 995), and whether a firewall or a proxy answers in the server's "
        "place"
    ),
)
