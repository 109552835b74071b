/**
 * What a session asks of the views. A view is what one principal sees of the part of the mesh that its
 * session is opened at; a route is where one request of it leads:
 *
 *     'alice__git__log'  →  { target: { peer: alice, server: 'git' },
 *                             edits:  { name: 'log' },
 *                             wanted: { ability: 'tool/call', resource: 'tool:@alice/git/log' } }
 *
 * A view finds the way and never says yes or no: `wanted` goes to clearance, which asks the guard.
 */
import type { EventEmitter } from 'node:events';
import type { JsonObject, StarlingError } from '../../core/index.ts';
import type { Config } from '../../config/types.ts';
import type { ServerCatalog, ServerFacts } from '../../directory/types.ts';
import type { GuardWanted, Principal } from '../../guard/types.ts';
import type { CallTask } from '../call-tasks/types.ts';
import type { RelayedCall, ServerTarget } from '../channel-types.ts';
import type { RequestFrame } from '../frame-types.ts';
import type { BuiltinTool } from '../types.ts';
import type { Lists } from './lists.ts';
import type { ToolsMode, ViewSpec } from './view-spec.ts';

export type { ToolsMode, ViewSpec } from './view-spec.ts';

/** Where a request goes. */
export interface Route {
  readonly target: ServerTarget;
  /** What the thing is called there, when it differs. */
  readonly edits?: RelayedCall['edits'];
  /** What the guard is asked, with the arguments, before the call; and again when grants change. */
  readonly wanted: GuardWanted;
  /** The tool is about what its arguments name: the guard is asked about that in place of `wanted`. */
  readonly subject?: BuiltinTool['subject'];
  /**
   * Why nobody could make the call: the tool does not exist, or is quarantined. Clearance throws it, and
   * only to a caller that may make the call: to anybody else it would tell what exists.
   */
  readonly obstacle?: () => StarlingError;
  /** The guard was asked already: the request is about a task of the caller. */
  readonly isCleared?: boolean;
  /** The task of a server that the request is about: its id is another one there. */
  readonly task?: CallTask;
  /** No server lists what the route leads to: this one may have it. */
  readonly isUnlisted?: boolean;
  /** The name is in no list so far, and may be in one that is on its way: see {@link Views.awaitsLists}. */
  readonly isUnknown?: boolean;
  /** Another server may be tried where this one fails: running the call twice does no harm. */
  readonly mayRepeat?: boolean;
  /** To be called where the server says that it has no such tool, though it lists one. */
  readonly missing?: () => void;
}

/** What one principal sees through one {@link ViewSpec}. */
export interface View {
  readonly lists: Lists;
  readonly facts: ServerFacts;
  /** What of this node's servers the principal may see: what a peer's directory is made of. */
  readonly catalogs: readonly ServerCatalog[];
  /** How many tools, resources, templates and prompts the servers of the view have, seen or not: what {@link catalogs} looks at. */
  readonly things: number;
  readonly toolsMode: ToolsMode;
  /**
   * Servers that have the tool, the least loaded first: one, but for tools that peers offer together.
   * @throws STARLING_PEER_UNKNOWN, STARLING_PEER_UNREACHABLE
   */
  tool(name: string): readonly Route[];
  /** @throws STARLING_USAGE, STARLING_PEER_UNKNOWN, STARLING_PEER_UNREACHABLE */
  prompt(name: string): Route;
  /**
   * Servers that may have `uri`, the likeliest first.
   * @throws STARLING_USAGE, STARLING_PEER_UNKNOWN, STARLING_PEER_UNREACHABLE
   */
  resource(uri: string, ability: 'resource/read' | 'resource/subscribe'): readonly Route[];
  /** The one server of the view, for what only that server knows. @throws STARLING_USAGE */
  server(method: string): Route;
}

/** How sessions answer where three tools stand for the whole list (`tools: search`). */
export interface SearchMode {
  /** What is listed instead of all tools. */
  readonly pages: readonly Buffer[];
  /** The call that a `call_tool` is about; any other request as it is. @throws STARLING_USAGE */
  unwrap(frame: RequestFrame): RequestFrame;
  /**
   * The result of `search_tools` or `describe_tools`; undefined when the request calls neither. Input
   * errors are results too.
   */
  answer(view: View, frame: RequestFrame): Promise<JsonObject> | undefined;
}

/** Heard by sessions, which tell their clients of changed lists. */
export interface ViewsEvents {
  /** What some principal sees may have changed. */
  change: [];
}

/** What each principal sees of the mesh, in views. */
export interface Views {
  readonly events: EventEmitter<ViewsEvents>;
  view(principal: Principal, spec: ViewSpec): View;
  /** Whether lists come soon, of peers or of servers that were just listed: what is in none so far may be in these. */
  awaitsLists(): boolean;
  /** Whether there is a server, a peer or a view of that name. */
  exists(spec: ViewSpec): boolean;
  /** Makes lists and views anew, as `config` has them. */
  configure(config: ViewsConfig): void;
  /** The guard may say something else now: makes views anew. */
  refresh(): void;
  /** Resolves when all that was listed so far is read and reviewed; long lists take turns of the loop. */
  settled(): Promise<void>;
  stop(): void;
}

/** How lists are made, and the views that have a name. */
export type ViewsConfig = Pick<Config, 'list' | 'views'>;
