/** What a node knows of its login at a server, in memory and on disk. */
import { expect, it } from 'vitest';
import { silentLogger } from '../../../../src/core/index.ts';
import { createLoginRecord } from '../../../../src/gateway/upstreams/oauth/login-record.ts';
import type { LoginRecord } from '../../../../src/gateway/upstreams/oauth/login-record.ts';
import type { LoginStore, StoredLogin } from '../../../../src/secrets/index.ts';

const URL_ = 'https://mcp.example.com/mcp';
const LOGIN: StoredLogin = {
  url: URL_,
  issuer: 'https://as.example.com',
  client: { clientId: 'us' },
  tokens: { accessToken: 'a', refreshToken: 'r' },
};

/** A store whose deletions wait for a word, and may fail. */
function slowStore(): {
  readonly store: LoginStore;
  readonly rows: Map<string, StoredLogin>;
  /** Ends the deletion that waits. */
  readonly end: (error?: Error) => void;
} {
  const rows = new Map<string, StoredLogin>();
  let end: (error?: Error) => void = () => undefined;
  return {
    rows,
    end: (error) => end(error),
    store: {
      get: async (server) => rows.get(server),
      async put(server, login) {
        rows.set(server, login);
      },
      delete: (server) =>
        new Promise((resolve, reject) => {
          // In the order in which writes were asked for.
          end = (error) => (error === undefined ? resolve(true) : reject(error));
          rows.delete(server);
        }),
    },
  };
}

const recordOf = (store: LoginStore): LoginRecord =>
  createLoginRecord({ tokens: store, logger: silentLogger }, { name: 'far', url: URL_ });

it('who logs out is not logged in again by tokens that were renewed meanwhile', async () => {
  const { store, rows, end } = slowStore();
  const record = recordOf(store);
  await record.begin(LOGIN);
  const forgotten = record.forget();
  // As a renewal does, which keeps its tokens only where the login is still the one that it renewed.
  if (record.current === LOGIN) await record.save({ ...LOGIN, tokens: { accessToken: 'b' } });
  end();
  expect(await forgotten).toBe(true);
  await record.load();
  expect([record.current, rows.size]).toEqual([undefined, 0]);
});

it('who could not log out because of the disk is logged in as before', async () => {
  const { store, end } = slowStore();
  const record = recordOf(store);
  await record.begin(LOGIN);
  const forgotten = record.forget();
  end(new Error('disk full'));
  await expect(forgotten).rejects.toThrow('disk full');
  expect(record.current).toEqual(LOGIN);
});
