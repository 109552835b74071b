/** On whose behalf a node calls: what it certifies, what its peer believes, and where that is shown. */
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { describe, expect, it } from 'vitest';
import { StarlingError, systemClock } from '../../../src/core/index.ts';
import type { Clock, Json } from '../../../src/core/index.ts';
import {
  ON_BEHALF_OF_META,
  createCertifier,
  readOnBehalfOf,
} from '../../../src/gateway/clearance/on-behalf-of.ts';
import { challengeText } from '../../../src/gateway/door/challenge.ts';
import { GRANT_TYPE, issueGrant } from '../../../src/grants/index.ts';
import type { Principal } from '../../../src/guard/index.ts';
import type { Signer } from '../../../src/identity/index.ts';
import {
  createIdentity,
  didFromPeerId,
  encodeJws,
  peerIdFromDid,
} from '../../../src/identity/index.ts';
import type { PeerStream } from '../../../src/network/index.ts';
import { NOW_S, manualClock, signerOf } from '../../grants/arrange.ts';
import { memoryAudit } from '../support/memory-audit.ts';
import {
  INITIALIZE,
  defer,
  http,
  startPair,
  streamPair,
  textOf,
  until,
  useCleanup,
} from '../support/gateways.ts';
import type { TestNode } from '../support/gateways.ts';

useCleanup();

const TYPE = 'starling-behalf+jwt';
const node = signerOf(3);
const SELF = signerOf(8).did;
const scout = createIdentity(Buffer.alloc(32, 8));
const agent = { kind: 'agent', did: scout.did, name: 'scout' } as const;
const READ = { name: 'alice__files__echo', arguments: { message: 'for the scout' } };

const read = (
  value: Json,
  issuer: Signer = node,
  nowS = NOW_S,
): ReturnType<typeof readOnBehalfOf> =>
  readOnBehalfOf(value, { issuer: issuer.did, self: SELF, nowMs: nowS * 1000 });

describe('a certificate of a node', () => {
  const clock = manualClock();
  const certifier = createCertifier({ signer: node, clock });

  it('names the agent that proved its key to it, for half a day', () => {
    const jws = certifier.certify(agent) ?? '';
    expect(read(jws)).toEqual({
      onBehalfOf: { did: scout.did },
      endsAtMs: (NOW_S + 43_200 + 60) * 1000,
    });
  });

  it('names a client only as the node calls it', () => {
    const jws = certifier.certify({ kind: 'client', name: 'ci', scopes: [] }) ?? '';
    expect(read(jws)?.onBehalfOf).toEqual({ name: 'ci' });
    const worker = { kind: 'client', name: 'agent:coder', scopes: [] } as const;
    const worksFor: Principal[] = [{ kind: 'client', name: 'ci', scopes: [] }];
    expect(read(certifier.certify({ ...worker, worksFor }) ?? '')?.onBehalfOf).toEqual({
      name: 'agent:coder',
      worksFor: [`client:ci@${node.did}`],
    });
    const many = Array.from({ length: 17 }, (_, at) => ({ ...worker, name: `ci-${at}` }));
    expect(() => certifier.certify({ ...worker, worksFor: many })).toThrow(/works for 17 others/);
    const long = certifier.certify({ kind: 'client', name: `${'x'.repeat(127)}😀`, scopes: [] });
    expect(read(long ?? '')?.onBehalfOf.name).toHaveLength(128);
  });

  it('is not made where the node calls for itself', () => {
    expect(certifier.certify({ kind: 'operator' })).toBeUndefined();
  });

  it('is signed once, and anew before it ends', () => {
    let signed = 0;
    const counting = { did: node.did, sign: (m: Uint8Array) => ((signed += 1), node.sign(m)) };
    const time = manualClock();
    const own = createCertifier({ signer: counting, clock: time });
    const first = own.certify(agent);
    for (let n = 0; n < 1000; n += 1) expect(own.certify(agent)).toBe(first);
    expect(signed).toBe(1);
    void time.advance(6 * 3_600_000);
    expect(own.certify(agent)).not.toBe(first);
    expect(signed).toBe(2);
    const client = (n: number): Principal => ({ kind: 'client', name: `ci-${n}`, scopes: [] });
    for (let n = 0; n < 1000; n += 1) own.certify(client(n));
    for (let n = 0; n < 1000; n += 1) own.certify(client(n));
    expect(signed).toBe(1002);
    // Those that nobody asked for any more are forgotten, and made anew when somebody does.
    for (let n = 1000; n < 3000; n += 1) own.certify(client(n));
    expect(own.certify(client(0))).toBeDefined();
    expect(signed).toBe(3003);
  });
});

describe('a certificate that does not hold', () => {
  const sign = (claims: object, typ = TYPE, signer: Signer = node): string =>
    encodeJws(signer, typ, { iss: node.did, iat: NOW_S, exp: NOW_S + 3600, ...claims });
  const good = { sub: scout.did };
  const mallory = signerOf(9);

  it.each<[string, Json, string]>([
    ['no text', [sign(good)], 'format'],
    ['null', null, 'format'],
    ['empty', '', 'format'],
    ['endless', 'x'.repeat(100_000), 'too-large'],
    ['a grant', sign(good, GRANT_TYPE), 'typ'],
    ['signed by somebody else in the name of the node', sign(good, TYPE, mallory), 'signature'],
    ['of another node', sign({ ...good, iss: mallory.did }, TYPE, mallory), 'signature'],
    ['naming another issuer', sign({ ...good, iss: mallory.did }), 'issuer'],
    ['over', sign({ ...good, iat: NOW_S - 7200, exp: NOW_S - 60 }), 'expired'],
    [
      'of the day after tomorrow',
      sign({ ...good, iat: NOW_S + 86_401, exp: NOW_S + 90_000 }),
      'not-yet-valid',
    ],
    ['for more than a day', sign({ ...good, exp: NOW_S + 86_401 }), 'lifetime'],
    ['for ever', sign({ ...good, exp: undefined }), 'claims'],
    ['ending before it begins', sign({ ...good, exp: NOW_S }), 'lifetime'],
    ['for nobody', sign({}), 'claims'],
    ['for what is no did', sign({ sub: 'bob' }), 'claims'],
    ['for a list of dids', sign({ sub: [scout.did, node.did] }), 'claims'],
    ['with an endless name', sign({ ...good, name: 'x'.repeat(129) }), 'claims'],
    ['with a name that is none', sign({ name: { a: 1 } }), 'claims'],
    ['for too many others', sign({ ...good, for: Array(17).fill(node.did) }), 'claims'],
    ['for others that are no links', sign({ ...good, for: ['operator'] }), 'claims'],
    ['for others in no list', sign({ ...good, for: node.did }), 'claims'],
    ['a list in place of claims', encodeJws(node, TYPE, [1]), 'issuer'],
  ])('%s is refused', (_, value, rule) => {
    expect(() => read(value)).toThrow(
      expect.objectContaining({ code: 'STARLING_UNAUTHORIZED', data: { rule } }),
    );
  });

  it('is forgiven a clock that is ahead, as a grant is, and is relied on no longer for that', () => {
    const jws = sign({ ...good, exp: NOW_S + 86_400 });
    const dayBefore = NOW_S - 86_400;
    expect(read(jws, node, NOW_S - 180)?.endsAtMs).toBe((NOW_S - 180 + 86_460) * 1000);
    expect(read(jws, node, dayBefore)?.endsAtMs).toBe((NOW_S + 60) * 1000);
    expect(() => read(jws, node, dayBefore - 1)).toThrow(/is from the future/);
  });

  it('is taken for a minute after its end, and no longer', () => {
    expect(read(sign(good), node, NOW_S + 3659)).toBeDefined();
    expect(() => read(sign(good), node, NOW_S + 3660)).toThrow(/expired/);
  });

  it('by the clocks is refused with how far they are apart, seen from both, and what to do', () => {
    const own = createCertifier({ signer: node, clock: manualClock() }).certify(agent) ?? '';
    const refusal = (nowS: number, clockOffsetMs?: number): StarlingError => {
      try {
        readOnBehalfOf(own, { issuer: node.did, self: SELF, nowMs: nowS * 1000, clockOffsetMs });
      } catch (error) {
        if (error instanceof StarlingError) return error;
      }
      throw new Error('it holds');
    };
    const day = 86_400;
    expect(refusal(NOW_S - 2 * day, 2 * day * 1000).message).toContain(
      `the clock of ${peerIdFromDid(node.did)}, which calls, is 2d ahead of that of ${peerIdFromDid(SELF)}, which is called and 2d behind it`,
    );
    expect(refusal(NOW_S + day, -day * 1000).message).toContain(
      `${peerIdFromDid(node.did)}, which calls, is 24h behind that of ${peerIdFromDid(SELF)}, which is called and 24h ahead of it`,
    );
    // By the certificate alone: a node signs anew when half of its life is over.
    expect(refusal(NOW_S + day).message).toContain('is at least 18h behind');
    expect(refusal(NOW_S + day).hint).toContain('set the clock');
  });

  it('is no matter where none is sent', () => {
    expect(readOnBehalfOf(undefined, { issuer: node.did, self: SELF, nowMs: 0 })).toBeUndefined();
  });
});

/** Attaches to `at` as the agent of `signer`. */
async function attach(at: TestNode, signer: Signer): Promise<Client> {
  const url = new URL(at.gateway.endpoints().url ?? '');
  const post = async (path: string, body: object): Promise<Record<string, string>> => {
    const answer = await http(at, { path, body: JSON.stringify(body) });
    return JSON.parse(answer.body) as Record<string, string>;
  };
  const { nonce = '' } = await post('/auth/challenge', { did: signer.did });
  const text = challengeText({
    node: didFromPeerId(at.peerId),
    audience: url.host,
    did: signer.did,
    nonce,
  });
  const signature = Buffer.from(signer.sign(text)).toString('base64url');
  const { token = '' } = await post('/auth/session', { did: signer.did, nonce, signature });
  return connect(url, token);
}

async function connect(url: URL, token: string): Promise<Client> {
  const client = new Client({ name: 'test', version: '1.0.0' });
  const headers = { authorization: `Bearer ${token}` };
  await client.connect(new StreamableHTTPClientTransport(url, { requestInit: { headers } }));
  defer(() => client.close());
  return client;
}

/** What agents may use of a peer, they are granted by name. */
async function lend(from: TestNode, did: Signer['did'], resource: string): Promise<void> {
  await from.grants.issue({
    aud: did,
    capabilities: [{ resource, ability: 'tool/call' }],
    expiresAtMs: Date.now() + 3_600_000,
  });
}

describe('an agent attached to bob that calls a tool of alice', () => {
  it('is named in the records of alice, with the reason that it gave', async () => {
    const audit = memoryAudit();
    const { alice, bob } = await startPair({ audit });
    await alice.grant(bob, 'files/*');
    await lend(bob, scout.did, 'tool:@alice/files/*');
    const client = await attach(bob, scout);
    await until(async () => bob.directory.servers(alice.peerId).length > 0);
    const call = { ...READ, _meta: { 'starling/reasoning': 'the report needs it' } };
    expect(textOf(await client.callTool(call))).toBe('for the scout');
    const here = audit.entries.filter(({ what }) => what.resource === 'tool:files/echo');
    expect(here).toMatchObject([
      {
        kind: 'decision',
        who: didFromPeerId(bob.peerId),
        onBehalfOf: scout.did,
        outcome: 'allowed',
        reasoning: 'the report needs it',
      },
      { kind: 'call', onBehalfOf: scout.did, outcome: 'ok' },
    ]);
  });

  it('is named where it is refused, and has no right of its own', async () => {
    const audit = memoryAudit();
    const { alice, bob } = await startPair({ audit });
    // What alice lets the agent itself do is not what she lets bob do.
    await lend(alice, scout.did, 'tool:files/*');
    await lend(bob, scout.did, 'tool:@alice/files/*');
    const client = await attach(bob, scout);
    await expect(client.callTool(READ)).rejects.toThrow(
      `bob (…${bob.peerId.slice(-8)}) for the agent ${scout.did} may not`,
    );
    expect(audit.entries.filter(({ outcome }) => outcome === 'denied')).toMatchObject([
      {
        who: didFromPeerId(bob.peerId),
        onBehalfOf: scout.did,
        what: { ability: 'tool/call', resource: 'tool:files/echo' },
      },
    ]);
  });

  it('is one of several: each is named in its own session', async () => {
    const audit = memoryAudit();
    const { alice, bob } = await startPair({ audit });
    await alice.grant(bob, 'files/*');
    const agents = [scout, createIdentity(Buffer.alloc(32, 9))];
    await until(async () => bob.directory.servers(alice.peerId).length > 0);
    await Promise.all(
      agents.map(async (one) => {
        await lend(bob, one.did, 'tool:@alice/files/*');
        const client = await attach(bob, one);
        const say = { ...READ, arguments: { message: one.did } };
        for (let n = 0; n < 5; n += 1) await client.callTool(say);
      }),
    );
    const named = audit.entries.filter(
      ({ kind, what }) => kind === 'decision' && what.resource === 'tool:files/echo',
    );
    for (const { did } of agents) {
      expect(named.filter(({ onBehalfOf }) => onBehalfOf === did)).toHaveLength(5);
    }
  });

  it('may hand its own grant on to bob: the chain and the record name it', async () => {
    const audit = memoryAudit();
    const { alice, bob } = await startPair({ audit });
    const capabilities = [{ resource: 'tool:files/echo', ability: 'tool/call' }];
    const expiresAtMs = Date.now() + 3_600_000;
    const root = await alice.grants.issue({
      aud: scout.did,
      capabilities,
      expiresAtMs,
      maxDepth: 1,
    });
    const toBob = didFromPeerId(bob.peerId);
    const leaf = issueGrant(
      scout,
      {
        aud: toBob,
        sub: root.claims.sub,
        cap: capabilities,
        expiresAt: root.claims.exp,
        parents: [root],
      },
      Date.now(),
    );
    expect(await bob.grants.receive([leaf.jws, root.jws])).toEqual([]);
    await lend(bob, scout.did, 'tool:@alice/files/*');
    const client = await attach(bob, scout);
    expect(textOf(await client.callTool(READ))).toBe('for the scout');
    expect(audit.entries.find(({ grant }) => grant === leaf.claims.jti)).toMatchObject({
      who: toBob,
      onBehalfOf: scout.did,
      outcome: 'allowed',
    });
    const [held] = alice.grants.held(toBob);
    expect(
      held === undefined ? [] : alice.grants.chainOf(held).map(({ claims }) => claims.iss),
    ).toEqual([scout.did, didFromPeerId(alice.peerId)]);
    // The agent takes it back: bob has nothing left.
    await alice.grants.revoke(root.claims.jti);
    await expect(client.callTool(READ)).rejects.toThrow(/may not/);
  });
});

describe('a client with an API key of bob', () => {
  it('is named by the name that bob gave it, and never as a client of alice', async () => {
    const audit = memoryAudit();
    const { alice, bob } = await startPair({ audit });
    await alice.grant(bob, 'files/*');
    const { key } = await bob.keys.create({ name: 'ci', scopes: ['tool:@alice/files/*'] });
    const client = await connect(new URL(bob.gateway.endpoints().url ?? ''), key.reveal());
    await client.callTool(READ);
    const toBob = didFromPeerId(bob.peerId);
    expect(audit.entries.filter(({ who }) => who === toBob)[0]).toMatchObject({
      onBehalfOf: `client:ci@${toBob}`,
    });
  });
});

describe('two nodes whose clocks are apart', () => {
  /** The system's clock, `aheadMs` ahead. */
  const ahead = (aheadMs: number): Clock => ({
    ...systemClock,
    now: () => systemClock.now() + aheadMs,
  });

  it.each([
    ['3 minutes ahead', 180_000],
    ['3 minutes behind', -180_000],
    ['3 hours ahead', 3 * 3_600_000],
  ])('call each other for their clients, where the clock of the caller is %s', async (_, ms) => {
    const { alice, bob } = await startPair({}, { clock: ahead(ms) });
    await alice.grant(bob, 'files/*');
    const { key } = await bob.keys.create({ name: 'ci', scopes: ['tool:@alice/files/*'] });
    const client = await connect(new URL(bob.gateway.endpoints().url ?? ''), key.reveal());
    expect(textOf(await client.callTool(READ))).toBe('for the scout');
  });

  it('tell a caller that is refused for that how far, and which clock to set', async () => {
    const { alice, bob } = await startPair({}, { clock: ahead(-86_400_000) });
    await alice.grant(bob, 'files/*');
    const { key } = await bob.keys.create({ name: 'ci', scopes: ['tool:@alice/files/*'] });
    const client = await connect(new URL(bob.gateway.endpoints().url ?? ''), key.reveal());
    await expect(client.callTool(READ)).rejects.toThrow(
      /is at least 18h behind .* 18h ahead of it/,
    );
  });
});

describe('a session whose certificate does not hold', () => {
  it('is refused with the reason, which is recorded, and closed', async () => {
    const audit = memoryAudit();
    const { alice, bob, wire } = await startPair({ audit });
    await alice.grant(bob, 'files/*');
    const [near, far] = streamPair(alice.peerId, bob.peerId);
    const answer = firstLine(near);
    let ended = false;
    near.onEnd(() => void (ended = true));
    wire.handlers.get(alice.peerId)?.get('/starling/mcp/1')?.(far);
    const stolen = createCertifier({ signer: signerOf(4), clock: manualClock() }).certify(agent);
    const params = { ...INITIALIZE.params, _meta: { [ON_BEHALF_OF_META]: stolen } };
    near.write(Buffer.from(`${JSON.stringify({ ...INITIALIZE, params })}\n`));
    expect(await answer).toMatchObject({
      error: {
        message: expect.stringMatching(/certificate .* does not hold: the signature is not one of/),
        data: { code: 'STARLING_UNAUTHORIZED' },
      },
    });
    await until(() => ended);
    expect(audit.entries.at(-1)).toMatchObject({
      who: didFromPeerId(bob.peerId),
      what: { ability: 'session/open' },
      outcome: 'denied',
    });
  });
});

function firstLine(stream: PeerStream): Promise<Record<string, unknown>> {
  return new Promise((resolve) => {
    let text = '';
    stream.onData((chunk) => {
      text += Buffer.from(chunk).toString('utf8');
      const [line, ...more] = text.split('\n');
      if (more.length > 0) resolve(JSON.parse(line ?? '') as Record<string, unknown>);
    });
  });
}
