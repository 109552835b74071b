/** Who offers what: the servers of each peer, as that peer lists them to us. */
import type { EventEmitter } from 'node:events';
import type { Did, JsonObject, PeerId } from '../core/index.ts';

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

/** An agent as its node lists it to all members; how it does, and what is free, its node says when it is asked. */
export interface ListedAgent {
  /** A label. */
  readonly id: string;
  /** The key that answers for it: its own, else that of its node. */
  readonly did: Did;
  readonly name: string;
  readonly kind: string;
  readonly capabilities: readonly string[];
  readonly maxConcurrentTasks: number;
  readonly zone: string;
}

/** What a node lists to all members. */
export interface Listing {
  readonly servers: readonly ServerCatalog[];
  readonly agents: readonly ListedAgent[];
}

/** What a node has listed by the last document of it that is here. */
export interface KeptListing extends Listing {
  readonly version: number;
  /** False: the node is away, and this is what it listed when it was heard last. */
  readonly isCurrent: boolean;
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
