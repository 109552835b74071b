/** Who offers what: the tools of each peer, as that peer lists them to us. */
import type { EventEmitter } from 'node:events';
import type { JsonObject, PeerId } from '../core/index.ts';

/** A tool as its owner lists it: the MCP `Tool` object, every field kept. */
export interface ListedTool extends JsonObject {
  readonly name: string;
}

/** Events of the directory. */
export interface DirectoryEvents {
  /** The tools of `peer` changed, appeared or went. */
  change: [peer: PeerId];
}

/** The tools of every peer that we know, as far as they are granted to us. */
export interface Directory {
  readonly events: EventEmitter<DirectoryEvents>;
  /** Tools of `peer`; empty when unknown or away. */
  tools(peer: PeerId): readonly ListedTool[];
  /** Replaces what `peer` offers. Lists over a limit are cut, and that is logged. */
  set(peer: PeerId, tools: readonly ListedTool[]): void;
  /** Forgets what `peer` offers. */
  clear(peer: PeerId): void;
  peers(): readonly PeerId[];
}
