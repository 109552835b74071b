/** Servers at URLs that want a certificate of whoever connects: real TLS on loopback. */
import { mkdir, writeFile } from 'node:fs/promises';
import type { RequestListener } from 'node:http';
import { createServer } from 'node:http';
import { dirname, join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { ClientTls } from '../../../../src/config/index.ts';
import { Secret, StarlingError, systemClock } from '../../../../src/core/index.ts';
import { createClientIdentity } from '../../../../src/gateway/upstreams/url/client-identity.ts';
import { createExchanger, readBody } from '../../../../src/gateway/upstreams/url/http-exchange.ts';
import { connectHttp } from '../../../../src/gateway/upstreams/url/streamable-http.ts';
import { sameServer } from '../../../../src/gateway/upstreams/server-secrets.ts';
import { certify } from '../../../fixtures/certificates.ts';
import { AUTHORITY, clientFiles, startTlsServer } from '../../../fixtures/tls-server.ts';
import type { ClientFiles, TlsServer } from '../../../fixtures/tls-server.ts';
import { defer, useCleanup } from '../../support/gateways.ts';
import { BOUNDS, COMMON, call, components } from '../../support/url-server.ts';

useCleanup();

const laptop = certify('laptop', AUTHORITY);
/** What no error may hold: a line from the middle of the key. */
const INSIDE_KEY = laptop.key.split('\n')[1] ?? '';

let files: ClientFiles;
beforeAll(async () => {
  files = await clientFiles(laptop);
  return () => files.remove();
});

/** Answers each call with `ok`. */
const answer: RequestListener = (request, response) => {
  let text = '';
  request.on('data', (chunk: Buffer) => (text += chunk.toString()));
  request.on('end', () => {
    const { id = 0 } = JSON.parse(text === '' ? '{}' : text) as { id?: number };
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ jsonrpc: '2.0', id, result: { ok: true } }));
  });
};

async function start(...more: [options?: object]): Promise<TlsServer> {
  const server = await startTlsServer(answer, ...more);
  defer(() => server.stop());
  return server;
}

function callAt(origin: string, tls?: ClientTls): Promise<unknown> {
  const server = { type: 'http', url: `${origin}/mcp`, headers: {}, ...COMMON } as const;
  const connection = connectHttp(components(), {
    ...BOUNDS,
    name: 'far',
    server: { ...server, ...(tls === undefined ? {} : { tls }) },
    era: () => 'modern',
  });
  defer(() => connection.close());
  return call(connection).answer.then(({ result }) => result);
}
const failureOf = (answered: Promise<unknown>): Promise<StarlingError> =>
  answered.then(
    () => expect.unreachable(),
    (error: StarlingError) => error,
  );

describe('a server that wants a certificate', () => {
  it('is shown the one of its entry, whose key is a file or a secret of the node', async () => {
    const server = await start();
    const { cert, ca } = files;
    const key = new Secret([{ secret: 'KEY' }]).bind(() => laptop.key);
    expect(await callAt(server.origin, { cert, ca, keyFile: files.key })).toEqual({ ok: true });
    expect(await callAt(server.origin, { cert, ca, key })).toEqual({ ok: true });
    expect(server.clients).toEqual(['laptop', 'laptop']);
  });

  it('lets nobody in without one, or with one of another authority, and words say which', async () => {
    const server = await start({ maxVersion: 'TLSv1.2' });
    const none = await failureOf(callAt(server.origin, { ca: files.ca }));
    expect(none).toMatchObject({ code: 'STARLING_UPSTREAM_UNAVAILABLE' });
    expect(none.message).toContain('wants a certificate of ours');
    const stranger = await clientFiles(certify('laptop', certify('authority')));
    defer(() => stranger.remove());
    const tls = { cert: stranger.cert, keyFile: stranger.key, ca: files.ca };
    expect(await failureOf(callAt(server.origin, tls))).toBeInstanceOf(StarlingError);
    expect(server.clients).toEqual([]);
  });

  it('has its own certificate checked by the authorities of the entry, and by those of the system without', async () => {
    const server = await start({ requestCert: false, rejectUnauthorized: false });
    expect(await callAt(server.origin, { ca: files.ca })).toEqual({ ok: true });
    expect((await failureOf(callAt(server.origin))).message).toContain('certificate');
    const other = await clientFiles(laptop);
    defer(() => other.remove());
    await writeFile(other.ca, certify('another authority').cert);
    expect(await failureOf(callAt(server.origin, { ca: other.ca }))).toBeInstanceOf(StarlingError);
    expect(server.clients).toEqual(['nobody']);
  });
});

describe('what is shown', () => {
  const exchangeAt = async (
    exchanger: ReturnType<typeof createExchanger>,
    origin: string,
    identity?: ReturnType<typeof createClientIdentity>,
  ): Promise<string> => {
    const url = new URL(origin);
    const reply = await exchanger.start({ method: 'GET', url, headers: {}, identity }).reply;
    return (await readBody(reply, 1000)).toString();
  };
  const exchangerHere = (): ReturnType<typeof createExchanger> => {
    const exchanger = createExchanger({ clock: systemClock });
    defer(() => exchanger.close());
    return exchanger;
  };
  const identityOf = () =>
    createClientIdentity({ cert: files.cert, keyFile: files.key, ca: files.ca }, 'x.tls');

  it('goes by connections of its own: no other request to that host gets by on them', async () => {
    // Whoever shows nothing is let in here, so that only the connection tells.
    const server = await start({ rejectUnauthorized: false });
    const exchanger = exchangerHere();
    const own = identityOf();
    const bare = createClientIdentity({ ca: files.ca }, 'y.tls');
    for (const identity of [own, bare, own, bare]) {
      expect(await exchangeAt(exchanger, server.origin, identity)).toContain('ok');
    }
    expect(server.clients).toEqual(['laptop', 'nobody', 'laptop', 'nobody']);
    await expect(exchangeAt(exchanger, server.origin)).rejects.toThrow('certificate');
  });

  it('is read when a connection is opened, so that a renewed certificate counts from the next one on', async () => {
    const server = await start();
    const renewed = await clientFiles(laptop);
    defer(() => renewed.remove());
    const identity = createClientIdentity(
      { cert: renewed.cert, keyFile: renewed.key, ca: renewed.ca },
      'x.tls',
    );
    const exchanger = exchangerHere();
    await exchangeAt(exchanger, server.origin, identity);
    await renewed.write(certify('laptop of tomorrow', AUTHORITY));
    exchanger.close();
    await exchangeAt(exchanger, server.origin, identity);
    expect(server.clients).toEqual(['laptop', 'laptop of tomorrow']);
    // No session is taken up again: that would go on with the certificate of before.
    expect(server.handshakes()).toBe(2);
  });

  it('is never shown where nothing is encrypted', async () => {
    const plain = createServer(answer);
    await new Promise<void>((resolve) => {
      plain.listen(0, '127.0.0.1', resolve);
    });
    defer(() => plain.close().closeAllConnections());
    const address = plain.address();
    const port = typeof address === 'object' ? (address?.port ?? 0) : 0;
    // A certificate that can't be read would be told.
    const lost = createClientIdentity({ cert: '/nowhere', keyFile: '/nowhere' }, 'x.tls');
    expect(await exchangeAt(exchangerHere(), `http://127.0.0.1:${port}`, lost)).toContain('ok');
  });

  it.each<[string, (tls: ClientTls, folder: string) => ClientTls, string, RegExp]>([
    [
      'a file that is not there',
      (tls) => ({ ...tls, cert: '/nowhere/cert' }),
      'CONFIG_INVALID',
      /x\.tls\.cert: the file \/nowhere\/cert can't be read/,
    ],
    [
      'a folder',
      (tls, folder) => ({ ...tls, ca: folder }),
      'CONFIG_INVALID',
      /x\.tls\.ca: .*it is no file/,
    ],
    [
      'a device without end',
      (tls) => ({ ...tls, ca: '/dev/zero' }),
      'CONFIG_INVALID',
      /x\.tls\.ca: .*it is no file/,
    ],
    [
      'what is too large',
      (tls, folder) => ({ ...tls, ca: join(folder, 'large') }),
      'CONFIG_INVALID',
      /more than 1 MiB/,
    ],
    [
      'what is no PEM',
      (tls, folder) => ({ ...tls, keyFile: join(folder, 'text') }),
      'CONFIG_INVALID',
      /x\.tls\.key: .*not a PEM file/,
    ],
    [
      "another's key",
      (tls, folder) => ({ ...tls, keyFile: join(folder, 'other') }),
      'CONFIG_INVALID',
      /x\.tls: certificate and key can't be used together/,
    ],
    [
      'a broken key',
      ({ cert = '' }) => ({ cert, key: new Secret(laptop.key.slice(0, 90)) }),
      'CONFIG_INVALID',
      /can't be used together/,
    ],
    [
      'a secret that is none',
      ({ cert = '' }) => ({ cert, key: new Secret([{ secret: 'KEY' }]).bind(() => INSIDE_KEY) }),
      'SECRET_INVALID',
      /the secret KEY is no private key/,
    ],
    [
      'a secret that is not set',
      ({ cert = '' }) => ({ cert, key: new Secret([{ secret: 'KEY' }]) }),
      'SECRET_MISSING',
      /KEY is not set/,
    ],
  ])(
    'is not there where the configuration names %s, and the error shows nothing of a key',
    async (_, change, code, text) => {
      const folder = join(dirname(files.cert), 'odd');
      await mkdir(folder, { recursive: true });
      await writeFile(join(folder, 'large'), 'x'.repeat(1024 * 1024 + 1));
      await writeFile(join(folder, 'text'), INSIDE_KEY);
      await writeFile(join(folder, 'other'), certify('other', AUTHORITY).key);
      const { cert, key: keyFile, ca } = files;
      const server = await start();
      const identity = createClientIdentity(change({ cert, keyFile, ca }, folder), 'x.tls');
      const error = await failureOf(exchangeAt(exchangerHere(), server.origin, identity));
      expect(error).toMatchObject({
        code: `STARLING_${code}`,
        message: expect.stringMatching(text) as string,
      });
      const shown = JSON.stringify([
        error,
        error.stack,
        error.hint,
        error.data,
        String(error.cause),
      ]);
      expect(shown).not.toContain(INSIDE_KEY.slice(0, 20));
      expect(server.clients).toEqual([]);
    },
  );
});

it('a server with another certificate is another one, also where its key is a secret that was set anew', () => {
  const server = (tls: ClientTls) =>
    ({ type: 'http', url: 'https://far', headers: {}, ...COMMON, tls }) as const;
  const key = (text: string): Secret => new Secret([{ secret: 'KEY' }]).bind(() => text);
  expect(
    sameServer(server({ cert: '/a', key: key('1') }), server({ cert: '/a', key: key('1') })),
  ).toBe(true);
  expect(
    sameServer(server({ cert: '/a', key: key('1') }), server({ cert: '/a', key: key('2') })),
  ).toBe(false);
  expect(sameServer(server({ cert: '/a' }), server({ cert: '/b' }))).toBe(false);
});
