/** The channels of one session: one to each server that it has used, opened when it is first needed. */
import { messageOf, unawaited } from '../../core/index.ts';
import type { JsonObject, Logger } from '../../core/index.ts';
import type {
  ServerChannel,
  ServerChannelInit,
  ServerChannels,
  ServerTarget,
} from '../channel-types.ts';

const LEVEL_TIMEOUT_MS = 10_000;

/** Channels by server. */
export interface ChannelTable {
  /** What the server is called in this table. */
  nameOf(target: ServerTarget): string;
  /** @throws STARLING_PEER_UNREACHABLE, … */
  get(target: ServerTarget): ServerChannel | Promise<ServerChannel>;
  /** Tells the server of this name, or all that are open. */
  notify(params: JsonObject, method: string, name?: string): void;
  /** The level of log messages that the client wants, of all servers now and later. */
  setLevel(level: string): void;
  /** Names of the servers that have a channel. */
  names(): readonly string[];
  /** Closes the channel to the server of this name. */
  drop(name: string): void;
  close(): void;
}

/** What the table works with. */
export interface ChannelTableComponents {
  readonly channels: ServerChannels;
  /** What a channel is opened with, by its server, and the name of that in this table. */
  describe(name: string, target: ServerTarget): ServerChannelInit;
  /** Hears that the channel to the server of this name has ended by itself. */
  lost(name: string): void;
  readonly logger: Logger;
}

/** Makes an empty table. */
export function createChannelTable(components: ChannelTableComponents): ChannelTable {
  return new SessionChannels(components);
}

class SessionChannels implements ChannelTable {
  readonly #components: ChannelTableComponents;
  readonly #table = new Map<string, ServerChannel | Promise<ServerChannel>>();
  #level: string | undefined;
  #isClosed = false;
  /** The last server that was asked for, and its name: calls of one session mostly go to one. */
  #last: { readonly target: ServerTarget; readonly name: string } | undefined;

  constructor(components: ChannelTableComponents) {
    this.#components = components;
  }

  nameOf(target: ServerTarget): string {
    if (this.#last?.target === target) return this.#last.name;
    const name = `${target.peer?.peerId ?? ''}/${target.server}`;
    this.#last = { target, name };
    return name;
  }

  get(target: ServerTarget): ServerChannel | Promise<ServerChannel> {
    const name = this.nameOf(target);
    const known = this.#table.get(name);
    if (known !== undefined) return known;
    const { channels, logger } = this.#components;
    const channel = channels.open(target, this.#components.describe(name, target));
    if (!(channel instanceof Promise)) return this.#keep(name, channel);
    const opened = channel.then((one) => this.#keep(name, one));
    this.#table.set(name, opened);
    opened.catch((error: unknown) => {
      logger.debug({ server: name, error: messageOf(error) }, 'no channel to server');
      if (this.#table.get(name) === opened) this.#table.delete(name);
    });
    return opened;
  }

  notify(params: JsonObject, method: string, name?: string): void {
    for (const [key, channel] of this.#table) {
      if (channel instanceof Promise || (name !== undefined && key !== name)) continue;
      channel.notify(method, params);
    }
  }

  setLevel(level: string): void {
    this.#level = level;
    for (const channel of this.#table.values()) {
      if (!(channel instanceof Promise)) this.#tellLevel(channel);
    }
  }

  names(): readonly string[] {
    return [...this.#table.keys()];
  }

  drop(name: string): void {
    const channel = this.#table.get(name);
    this.#table.delete(name);
    if (!(channel instanceof Promise)) channel?.close();
    else {
      const close = (opened: ServerChannel): void => opened.close();
      channel.then(close, () => undefined);
    }
  }

  close(): void {
    this.#isClosed = true;
    for (const channel of this.#table.values()) if (!(channel instanceof Promise)) channel.close();
    this.#table.clear();
  }

  #keep(name: string, channel: ServerChannel): ServerChannel {
    if (this.#isClosed) {
      channel.close();
      return channel;
    }
    this.#table.set(name, channel);
    this.#tellLevel(channel);
    const forgotten = channel.ended.then(() => {
      if (this.#table.get(name) === channel) this.#table.delete(name);
      if (!this.#isClosed) this.#components.lost(name);
    });
    unawaited(forgotten, this.#components.logger, 'the end of a channel was not told', {
      server: name,
    });
    return channel;
  }

  #tellLevel(channel: ServerChannel): void {
    if (this.#level === undefined) return;
    const options = { timeoutMs: LEVEL_TIMEOUT_MS };
    channel.request('logging/setLevel', { level: this.#level }, options).catch(
      // Servers without logging refuse it.
      (error: unknown) =>
        this.#components.logger.debug({ error: messageOf(error) }, 'log level not set'),
    );
  }
}
