/** What to do about an error of Redis or of the way to it, to be appended to its message. */
export function fixOf(reason: string): string {
  if (/WRONGPASS|NOAUTH|invalid username-password/i.test(reason)) return "; check user and password in its address";
  if (/NOPERM/i.test(reason)) return "; its user needs the commands and keys that docs/stopping.md lists";
  if (/READONLY/i.test(reason)) return "; name the primary, or its Sentinels: this is a replica";
  if (/OOM|maxmemory/i.test(reason)) return "; give it memory: its policy must be noeviction";
  if (/certificate/i.test(reason)) return "; name the authority of its certificate in NODE_EXTRA_CA_CERTS";
  if (/ENOTFOUND|EAI_AGAIN/i.test(reason)) return "; check its host's name";
  return "; check that it runs, its address and the network";
}
