/** Rights as a person says them: `call files/*` for the ability `tool/call` on the resource `tool:files/*`. */

/** What is done, by ability. */
const VERBS: Readonly<Record<string, string>> = {
  'tool/call': 'call',
  'resource/read': 'read',
  'resource/subscribe': 'follow',
  'prompt/get': 'get the prompt',
};
const KIND = /^(?:tool|resource|prompt|server):/;

/** An ability on a resource in words; what has no words is shown as it is written in the grant. */
export function rightText(ability: string, resource: string): string {
  if (resource.startsWith('mesh:')) return ability;
  const verb = VERBS[ability];
  return verb === undefined ? `${ability} ${resource}` : `${verb} ${plainResource(resource)}`;
}

/** `files/*` for `tool:files/*`. */
function plainResource(resource: string): string {
  return resource.replace(KIND, '');
}

/** What somebody who waits for an answer asks: to make a call, or a grant. */
export function askText(kind: 'call' | 'permission', ability: string, resource: string): string {
  if (kind === 'call') return `wants to ${rightText(ability, resource)}`;
  // A request names the type that the policy gives to what is asked for.
  const type = VERBS[ability] === undefined ? ` (${ability})` : '';
  return `asks for a grant: ${plainResource(resource)}${type}`;
}
