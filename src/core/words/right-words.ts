/** Rights as a person says them: `call files/*` for the ability `tool/call` on the resource `tool:files/*`. */

/** What is done, by ability. */
const VERBS: Readonly<Record<string, string>> = {
  'tool/call': 'call',
  'resource/read': 'read',
  'resource/subscribe': 'follow',
  'prompt/get': 'get the prompt',
  'agent/message': 'write to the agent',
  'agent/task': 'give tasks to the agent',
  'agent/spawn': 'run agents of the kind',
  'model/use': 'use the model',
  'board/read': 'read the board',
  'board/write': 'write to the board',
  'board/admin': 'administer the board',
};
/** What a membership or a ticket gives; which mesh is meant goes without saying. */
const OF_MESH: Readonly<Record<string, string>> = {
  'mesh/join': 'join the mesh',
  'mesh/invite': 'let others into the mesh',
};
const KIND = /^(?:tool|resource|prompt|server|agent|board|model):/;

/**
 * An ability on a resource in words; what has no words is shown as a grant has it. Used by refusals, lists,
 * approvals and the terminal's form of the audit log: JSON and the log's files keep ability and resource.
 */
export function rightText(ability: string, resource: string): string {
  if (resource.startsWith('mesh:')) return OF_MESH[ability] ?? ability;
  const verb = VERBS[ability];
  return verb === undefined ? `${ability} ${resource}` : `${verb} ${plainResource(resource)}`;
}

/** True for an ability that {@link rightText} has a word for. */
export function hasVerb(ability: string): boolean {
  return VERBS[ability] !== undefined;
}

/** `files/*` for `tool:files/*`; a model as its provider writes it, `gpu/qwen3:8b`, which a resource can't have. */
export function plainResource(resource: string): string {
  const plain = resource.replace(KIND, '');
  return resource.startsWith('model:') ? plain.replaceAll('%3A', ':') : plain;
}
