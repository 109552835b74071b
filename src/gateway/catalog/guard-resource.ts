/** What the guard is asked about a thing that a caller wants: `tool:files/read`, `tool:@alice/git/log`. */
import type { JsonObject } from '../../core/index.ts';
import { promptResource, toolResource, uriResource } from '../../grants/index.ts';
import type { GuardWanted } from '../../guard/index.ts';
import type { ServerTarget } from '../channel-types.ts';
import { objectOf } from '../wire/era.ts';

/** What kind of thing is wanted, as grants name it. */
export type Scheme = 'tool' | 'prompt' | 'resource';

/** One thing of a server. */
export interface WantedItem {
  readonly scheme: Scheme;
  readonly target: ServerTarget;
  /** Its name or URI at the server. */
  readonly name: string;
  /** Default: what is commonly done with things of the kind. */
  readonly ability?: string | undefined;
  /** The pinned definition says that the tool only reads. */
  readonly isReadOnly?: boolean | undefined;
}

const ABILITIES = {
  tool: 'tool/call',
  prompt: 'prompt/get',
  resource: 'resource/read',
} as const;
const RESOURCES = { tool: toolResource, prompt: promptResource, resource: uriResource } as const;

/** What the guard is asked: of a peer's server as `@alice/files`, of our own as `files`. */
export function wantedOf({ scheme, target, name, ability, isReadOnly }: WantedItem): GuardWanted {
  const owner = target.peer === undefined ? '' : `@${target.peer.alias}/`;
  const resource = RESOURCES[scheme](target.server, name).replace(':', `:${owner}`);
  return {
    resource,
    ability: ability ?? ABILITIES[scheme],
    ...(isReadOnly === true ? { facts: { readOnly: true } } : {}),
  };
}

/** Whether the definition of a tool says that it only reads (MCP `ToolAnnotations`). */
export function isReadOnly(item: JsonObject): boolean {
  return objectOf(item['annotations'])['readOnlyHint'] === true;
}
