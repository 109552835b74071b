/** How the policy and requests for permission write patterns of resources: short for tools. */

/** `files/write_*` → `tool:files/write_*`; a pattern with a scheme stays as it is. */
export function toPattern(text: string): string {
  return /^[a-z]+:/.test(text) ? text : `tool:${text}`;
}
