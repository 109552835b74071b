/** The HTTP server: plain, with TLS, and with certificates of its clients. */
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { Agent, request as plainRequest } from 'node:http';
import { request as tlsRequest } from 'node:https';
import type { RequestOptions } from 'node:https';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { HttpTls } from '../../../src/config/index.ts';
import { createHttpServer } from '../../../src/gateway/door/http-server.ts';
import { serve } from './arrange.ts';
import { certify } from '../../fixtures/certificates.ts';

const authority = certify('authority');
const here = certify('node', authority);
const client = certify('client', authority);
const stranger = certify('client', certify('authority'));

/** Writes PEM files; gives where they are. */
async function files(): Promise<Record<'cert' | 'key' | 'ca', string> & { folder: string }> {
  const folder = await mkdtemp(join(tmpdir(), 'starling-tls-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));
  const paths = { cert: join(folder, 'cert'), key: join(folder, 'key'), ca: join(folder, 'ca') };
  await writeFile(paths.cert, here.cert);
  await writeFile(paths.key, here.key);
  await writeFile(paths.ca, authority.cert);
  return { ...paths, folder };
}

async function start(tls?: HttpTls): Promise<string> {
  const server = await createHttpServer(tls === undefined ? {} : { tls }, (_, response) =>
    response.end('served'),
  );
  return serve(server, tls === undefined ? 'http' : 'https');
}

function get(url: string, options: RequestOptions = {}): Promise<string> {
  return new Promise((resolve, reject) => {
    const send = url.startsWith('https:') ? tlsRequest : plainRequest;
    const request = send(url, { agent: false, ...options }, (response) => {
      let text = `${response.statusCode} `;
      response.on('data', (chunk: Buffer) => (text += chunk.toString()));
      response.on('end', () => resolve(text));
    });
    request.on('error', reject);
    request.end();
  });
}

describe('the HTTP server', () => {
  it('serves plain HTTP where no certificate is configured', async () => {
    expect(await get(await start())).toBe('200 served');
  });

  it('keeps an idle connection longer than it says, so that no request meets its end', async () => {
    const sockets: Socket[] = [];
    const server = await createHttpServer({}, (request, response) => {
      sockets.push(request.socket);
      response.end('served');
    });
    const url = await serve(server);
    const agent = new Agent({ keepAlive: true });
    onTestFinished(() => agent.destroy());
    const told = await new Promise((resolve, reject) => {
      const request = plainRequest(url, { agent }, (response) => {
        response.resume().on('end', () => resolve(response.headers['keep-alive']));
      });
      request.on('error', reject).end();
    });
    expect(told).toBe('timeout=60');
    expect(sockets[0]?.timeout).toBeGreaterThanOrEqual(65_000);
    // While a request is under way on it, the connection has no such end.
    expect(await get(url, { agent })).toBe('200 served');
    expect(sockets[1]).toBe(sockets[0]);
  });

  it('answers headers without end with 431', async () => {
    const url = await start();
    const headers = { authorization: `Bearer ${'a'.repeat(17 * 1024)}` };
    expect(await get(url, { headers })).toBe('431 ');
  });

  it('serves HTTPS with certificate and key, and no plain HTTP beside it', async () => {
    const { cert, key } = await files();
    const url = await start({ cert, key });
    expect(await get(url, { ca: authority.cert })).toBe('200 served');
    await expect(get(url)).rejects.toThrow(/verify|unable|self/i);
    await expect(get(url.replace('https', 'http'))).rejects.toThrow();
  });

  it('speaks no version of TLS that is broken', async () => {
    const { cert, key } = await files();
    const url = await start({ cert, key });
    const old = { ca: authority.cert, maxVersion: 'TLSv1.1', minVersion: 'TLSv1' } as const;
    await expect(get(url, { ...old, ciphers: 'DEFAULT@SECLEVEL=0' })).rejects.toThrow();
  });

  it('lets in only clients of its authority where certificates are required', async () => {
    const { cert, key, ca } = await files();
    const url = await start({ cert, key, ca, clientAuth: 'require' });
    const trusted = { ca: authority.cert };
    const own = { ...trusted, cert: client.cert, key: client.key };
    expect(await get(url, own)).toBe('200 served');
    await expect(get(url, trusted)).rejects.toThrow();
    await expect(
      get(url, { ...trusted, cert: stranger.cert, key: stranger.key }),
    ).rejects.toThrow();
  });

  it('survives a client that speaks no TLS', async () => {
    const { cert, key } = await files();
    const url = await start({ cert, key });
    const socket = connect(Number(new URL(url).port), '127.0.0.1');
    socket.on('error', () => socket.destroy());
    socket.write('GET / HTTP/1.1\r\n\r\n');
    await once(socket, 'close');
    expect(await get(url, { ca: authority.cert })).toBe('200 served');
  });

  it('says which file is missing, is no PEM, or does not fit', async () => {
    const { cert, key, ca, folder } = await files();
    const nowhere = join(folder, 'nowhere');
    const words = join(folder, 'words');
    await writeFile(words, 'not a key');
    const broken = join(folder, 'broken');
    await writeFile(broken, '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n');
    const other = join(folder, 'other');
    await writeFile(other, client.key);
    const cases: readonly (readonly [HttpTls, RegExp])[] = [
      [
        { cert: nowhere, key },
        /http\.tls\.cert: the file .*nowhere can't be read: there is no such file or folder/,
      ],
      [{ cert, key: words }, /http\.tls\.key: .*words is not a PEM file/],
      [{ cert, key, ca: words }, /http\.tls\.ca: .*words is not a PEM file/],
      [{ cert: broken, key }, /can't be used together/],
      [{ cert, key: other }, /can't be used together: .*mismatch/],
      [{ cert, key: ca }, /can't be used together/],
    ];
    for (const [tls, why] of cases) {
      const making = start(tls);
      await expect(making).rejects.toMatchObject({ code: 'STARLING_CONFIG_INVALID' });
      await expect(making).rejects.toThrow(why);
    }
  });
});
