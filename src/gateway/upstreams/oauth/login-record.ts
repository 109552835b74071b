/** What is known of our login at one server: read from the login store once, and written through to it. */
import { messageOf } from '../../../core/index.ts';
import type { Logger } from '../../../core/index.ts';
import type { StoredLogin, LoginStore } from '../../../secrets/index.ts';

/** The login at one server. */
export interface LoginRecord {
  /** The login of now; undefined before `load`, and when there is none. */
  readonly current: StoredLogin | undefined;
  /** Reads the login from the store, once. */
  load(): Promise<void>;
  /**
   * Takes `login`, for which a person has just agreed, once it is on disk. What the disk refuses leaves no
   * trace: that person is told, and can log in again. @throws what the store throws
   */
  begin(login: StoredLogin): Promise<void>;
  /**
   * Takes `login`, whose tokens were renewed, as the one of now. A store that can't be written to is told of, and stops nothing: it is
   * tried again with the next use.
   */
  save(login: StoredLogin): Promise<void>;
  /** Forgets the tokens and keeps the registration. */
  forgetTokens(): Promise<void>;
  /**
   * Forgets everything, in use at once and on disk. False when there was nothing. @throws what the store throws: then
   * the login is as it was
   */
  forget(): Promise<boolean>;
}

/** Makes the record of the login at the server `name` with this URL; nothing is read before `load`. */
export function createLoginRecord(
  components: { readonly tokens: LoginStore; readonly logger: Logger },
  init: { readonly name: string; readonly url: string },
): LoginRecord {
  const { tokens: store, logger } = components;
  let current: StoredLogin | undefined;
  let loaded: Promise<void> | undefined;
  /** It is not on the disk: a token that was renewed is good only once, so that the old one is lost. */
  let unkept: StoredLogin | undefined;
  let isTold = false;
  const keep = async (login: StoredLogin): Promise<void> => {
    try {
      await store.put(init.name, login);
      if (unkept === login) unkept = undefined;
      isTold = false;
    } catch (error) {
      // The token works until the node ends, so that a full disk stops no call.
      if (!isTold) logger.warn({ server: init.name, error: messageOf(error) }, 'login not kept');
      isTold = true;
    }
  };
  const save: LoginRecord['save'] = (login) => {
    current = login;
    unkept = login;
    loaded = Promise.resolve();
    return keep(login);
  };
  return {
    get current() {
      return current;
    },
    load() {
      if (unkept !== undefined) return keep(unkept);
      loaded ??= store.get(init.name, init.url).then((login) => {
        current = login;
      });
      return loaded;
    },
    async begin(login) {
      const before = unkept;
      // Nobody may write the older one over this one.
      unkept = undefined;
      await store.put(init.name, login).catch((error: unknown) => {
        unkept = before;
        throw error;
      });
      current = login;
      loaded = Promise.resolve();
    },
    save,
    async forgetTokens() {
      if (current?.tokens === undefined) return;
      const { tokens: _, ...rest } = current;
      await save(rest);
    },
    async forget() {
      const before = { current, unkept };
      // At once: tokens that are renewed meanwhile must not be written behind the deletion.
      current = undefined;
      unkept = undefined;
      try {
        const was = await store.delete(init.name);
        if (current === undefined) loaded = undefined;
        return was;
      } catch (error) {
        if (current === undefined) ({ current, unkept } = before);
        throw error;
      }
    },
  };
}
