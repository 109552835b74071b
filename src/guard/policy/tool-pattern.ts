/** How the policy and requests for permission write patterns of resources: short for tools. */

/** All that has a namespace, as patterns of what is in one. */
const IN_NAMESPACE: readonly ((name: string) => string)[] = [
  (name) => `tool:${name}/**`,
  (name) => `resource:${name}/**`,
  (name) => `prompt:${name}/**`,
  (name) => `board:${name}`,
  (name) => `board:${name}/**`,
  (name) => `agent:${name}`,
];

/** `files/write_*` → `tool:files/write_*`; a pattern with a scheme stays as it is. */
export function toPattern(text: string): string {
  return /^[a-z]+:/.test(text) ? text : `tool:${text}`;
}

/** Whether the text is the name of a namespace, and no pattern. */
export function isBareWord(text: string): boolean {
  return /^[A-Za-z0-9][\w.-]{0,127}$/.test(text);
}

/** {@link toPattern}; where a bare word stands for all that is in the namespace of that name. */
export function toPatterns(text: string): readonly string[] {
  return isBareWord(text) ? IN_NAMESPACE.map((pattern) => pattern(text)) : [toPattern(text)];
}
