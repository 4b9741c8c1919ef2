/** Loopback, private, link-local and carrier-grade addresses, in the form in which a URL has them. */
const PRIVATE_IPV4 = new RegExp(
  [
    "^(?:0|10|127)\\.",
    "^169\\.254\\.",
    "^172\\.(?:1[6-9]|2\\d|3[01])\\.",
    "^192\\.168\\.",
    "^100\\.(?:6[4-9]|[7-9]\\d|1[01]\\d|12[0-7])\\.",
  ].join("|"),
);
/** `::`, `::1`, fc00::/7, fe80::/10, and the private IPv4 addresses that are mapped into IPv6. */
const PRIVATE_IPV6 =
  /^\[(?:::1?\]|f[cd]|fe[89ab]|::ffff:(?:7f|a[0-9a-f]{2}:|c0a8:|ac1[0-9a-f]:|a9fe:|64[4-7][0-9a-f]:))/;
/**
 * Names that mean something on this machine or its network only; so does a name without a dot. `internal` is reserved
 * for private networks: containers reach their machine by it. `svc` is a service of a Kubernetes cluster.
 */
const LOCAL_NAME = /(?:^|\.)(?:localhost|localdomain|local|lan|home|home\.arpa|internal|svc)$/;

/**
 * Whether a server at this host is one of the user's own, such as Ollama, LM Studio, vLLM and llama.cpp. `hostname` is
 * that of a URL: in lower case, without a port, IPv6 in brackets.
 */
export function isLocalHost(hostname: string): boolean {
  if (hostname.startsWith("[")) return PRIVATE_IPV6.test(hostname);
  if (/^\d+(?:\.\d+){3}$/.test(hostname)) return PRIVATE_IPV4.test(hostname);
  // A dot at the end of a name only says that it is whole.
  const name = hostname.endsWith(".") ? hostname.slice(0, -1) : hostname;
  return !name.includes(".") || LOCAL_NAME.test(name);
}
