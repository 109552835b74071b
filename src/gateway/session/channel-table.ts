/** The channels of one session: one to each server that it has used, opened when it is first needed. */
import { messageOf } from '../../core/index.ts';
import type { JsonObject, Logger } from '../../core/index.ts';
import type { ServerChannel, ServerChannelInit, ServerChannels, ServerTarget } from '../types.ts';

const LEVEL_TIMEOUT_MS = 10_000;

/** Links by server. */
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

/** Makes the table; `describe` gives what a channel is opened with, `lost` hears of channels that end. */
export function createChannelTable(
  channels: ServerChannels,
  describe: (name: string) => ServerChannelInit,
  components: { readonly logger: Logger; lost(name: string): void },
): ChannelTable {
  const { logger } = components;
  const table = new Map<string, ServerChannel | Promise<ServerChannel>>();
  let level: string | undefined;
  let closed = false;

  const nameOf = ({ peer, server }: ServerTarget): string => `${peer?.peerId ?? ''}/${server}`;
  const tellLevel = (channel: ServerChannel): void => {
    if (level === undefined) return;
    channel.request('logging/setLevel', { level }, { timeoutMs: LEVEL_TIMEOUT_MS }).catch(
      // Servers without logging refuse it.
      (error: unknown) => logger.debug({ error: messageOf(error) }, 'log level not set'),
    );
  };
  const keep = (name: string, channel: ServerChannel): ServerChannel => {
    if (closed) {
      channel.close();
      return channel;
    }
    table.set(name, channel);
    tellLevel(channel);
    void channel.ended.then(() => {
      if (table.get(name) === channel) table.delete(name);
      if (!closed) components.lost(name);
    });
    return channel;
  };
  return {
    nameOf,
    get(target) {
      const name = nameOf(target);
      const known = table.get(name);
      if (known !== undefined) return known;
      const opening = channels.open(target, describe(name));
      if (!(opening instanceof Promise)) return keep(name, opening);
      const opened = opening.then((channel) => keep(name, channel));
      table.set(name, opened);
      opened.catch((error: unknown) => {
        logger.debug({ server: name, error: messageOf(error) }, 'no channel to server');
        if (table.get(name) === opened) table.delete(name);
      });
      return opened;
    },
    notify(params, method, name) {
      for (const [key, channel] of table) {
        if (channel instanceof Promise || (name !== undefined && key !== name)) continue;
        channel.notify(method, params);
      }
    },
    setLevel(wanted) {
      level = wanted;
      for (const channel of table.values()) if (!(channel instanceof Promise)) tellLevel(channel);
    },
    names: () => [...table.keys()],
    drop(name) {
      const channel = table.get(name);
      table.delete(name);
      if (channel instanceof Promise)
        void channel.then(
          (opened) => opened.close(),
          () => undefined,
        );
      else channel?.close();
    },
    close() {
      closed = true;
      for (const channel of table.values()) if (!(channel instanceof Promise)) channel.close();
      table.clear();
    },
  };
}
