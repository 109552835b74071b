/** What makes calls at the doors of a node, whichever they are. */
import type { JsonObject } from '../../core/index.ts';
import type { OwnCallOptions } from '../types.ts';

/** What a program says of one call besides its arguments. */
export interface DoorCallOptions extends OwnCallOptions {
  /** How long it may take, ms; default 60 s. */
  readonly timeoutMs?: number;
}

/** A call on its way to a door: all that it may wait for ends with its signal. */
export interface DoorCall {
  readonly name: string;
  readonly args: JsonObject;
  readonly signal: AbortSignal;
  readonly onProgress?: OwnCallOptions['onProgress'];
}

/** What makes calls by one sort of door. */
export interface DoorCaller {
  /** @throws as `DoorClient.call`; when `signal` is aborted, its reason */
  call(call: DoorCall): Promise<JsonObject>;
  close(): void;
}
