/** The links of one session: one to each server that it has used, opened when it is first needed. */
import { messageOf } from '../core/index.ts';
import type { JsonObject, Logger } from '../core/index.ts';
import type { ServerLink, ServerLinkInit, ServerLinks, ServerTarget } from './types.ts';

const LEVEL_TIMEOUT_MS = 10_000;

/** Links by server. */
export interface LinkTable {
  /** What the server is called in this table. */
  nameOf(target: ServerTarget): string;
  /** @throws STARLING_PEER_UNREACHABLE, … */
  get(target: ServerTarget): ServerLink | Promise<ServerLink>;
  /** Tells the server of this name, or all that are open. */
  notify(params: JsonObject, method: string, name?: string): void;
  /** The level of log messages that the client wants, of all servers now and later. */
  setLevel(level: string): void;
  /** Names of the servers that have a link. */
  names(): readonly string[];
  /** Closes the link to the server of this name. */
  drop(name: string): void;
  close(): void;
}

/** Makes the table; `describe` gives what a link is opened with, `lost` hears of links that end. */
export function createLinkTable(
  links: ServerLinks,
  describe: (name: string) => ServerLinkInit,
  components: { readonly logger: Logger; lost(name: string): void },
): LinkTable {
  const { logger } = components;
  const table = new Map<string, ServerLink | Promise<ServerLink>>();
  let level: string | undefined;
  let closed = false;

  const nameOf = ({ peer, server }: ServerTarget): string => `${peer?.peerId ?? ''}/${server}`;
  const tellLevel = (link: ServerLink): void => {
    if (level === undefined) return;
    link.request('logging/setLevel', { level }, { timeoutMs: LEVEL_TIMEOUT_MS }).catch(
      // Servers without logging refuse it.
      (error: unknown) => logger.debug({ error: messageOf(error) }, 'log level not set'),
    );
  };
  const keep = (name: string, link: ServerLink): ServerLink => {
    if (closed) {
      link.close();
      return link;
    }
    table.set(name, link);
    tellLevel(link);
    void link.ended.then(() => {
      if (table.get(name) === link) table.delete(name);
      if (!closed) components.lost(name);
    });
    return link;
  };
  return {
    nameOf,
    get(target) {
      const name = nameOf(target);
      const known = table.get(name);
      if (known !== undefined) return known;
      const opening = links.open(target, describe(name));
      if (!(opening instanceof Promise)) return keep(name, opening);
      const opened = opening.then((link) => keep(name, link));
      table.set(name, opened);
      opened.catch((error: unknown) => {
        logger.debug({ server: name, error: messageOf(error) }, 'no link to server');
        if (table.get(name) === opened) table.delete(name);
      });
      return opened;
    },
    notify(params, method, name) {
      for (const [key, link] of table) {
        if (link instanceof Promise || (name !== undefined && key !== name)) continue;
        link.notify(method, params);
      }
    },
    setLevel(wanted) {
      level = wanted;
      for (const link of table.values()) if (!(link instanceof Promise)) tellLevel(link);
    },
    names: () => [...table.keys()],
    drop(name) {
      const link = table.get(name);
      table.delete(name);
      if (link instanceof Promise)
        void link.then(
          (opened) => opened.close(),
          () => undefined,
        );
      else link?.close();
    },
    close() {
      closed = true;
      for (const link of table.values()) if (!(link instanceof Promise)) link.close();
      table.clear();
    },
  };
}
