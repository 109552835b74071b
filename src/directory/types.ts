/** Who offers what: the servers of each peer, as that peer lists them to us. */
import type { EventEmitter } from 'node:events';
import type { JsonObject, PeerId } from '../core/index.ts';

/** A tool as its owner lists it: the MCP `Tool` object, every field kept. */
export interface ListedTool extends JsonObject {
  readonly name: string;
}

/** A prompt as its owner lists it: the MCP `Prompt` object. */
export interface ListedPrompt extends JsonObject {
  readonly name: string;
}

/** A resource as its owner lists it: the MCP `Resource` object. */
export interface ListedResource extends JsonObject {
  readonly uri: string;
}

/** A resource template as its owner lists it: the MCP `ResourceTemplate` object. */
export interface ListedTemplate extends JsonObject {
  readonly uriTemplate: string;
}

/** What one item of a list is called. */
export type ItemKind = 'tool' | 'resource' | 'template' | 'prompt';

/** Everything that a server lists. */
export interface ServerItems {
  readonly tools: readonly ListedTool[];
  readonly resources: readonly ListedResource[];
  readonly templates: readonly ListedTemplate[];
  readonly prompts: readonly ListedPrompt[];
}

/** What a server says of itself in its `initialize` or `server/discover` result. */
export interface ServerFacts {
  readonly capabilities: JsonObject;
  readonly serverInfo: JsonObject;
  readonly instructions?: string;
}

/** One server of a node: what it says of itself, and what it lists. */
export interface ServerCatalog extends ServerFacts, ServerItems {
  /** Its name in the configuration of its owner. */
  readonly server: string;
}

/** Heard by the views, which are made anew then. */
export interface DirectoryEvents {
  /** What `peer` offers changed, appeared or went. */
  change: [peer: PeerId];
}

/** The servers of every peer that we know, as far as they are granted to us or listed to all members. */
export interface Directory {
  readonly events: EventEmitter<DirectoryEvents>;
  /** Servers of `peer`; empty when unknown or away. */
  servers(peer: PeerId): readonly ServerCatalog[];
  /** Replaces what `peer` has granted to us. Lists over a limit are cut, and that is logged. */
  set(peer: PeerId, servers: readonly ServerCatalog[]): void;
  /** Replaces what `peer` lists to all members, by its catalog document; what is granted as well stands as it was granted. */
  setListed(peer: PeerId, servers: readonly ServerCatalog[]): void;
  /** Forgets what `peer` has granted; what it lists stays. */
  clear(peer: PeerId): void;
  peers(): readonly PeerId[];
}
