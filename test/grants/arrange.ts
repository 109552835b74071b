/** Keys, grants and forgeries for tests. Node's own Ed25519 signs here: it is a hundred times faster. */
import { createPrivateKey, sign } from 'node:crypto';
import { signerFromSeed } from '../../src/identity/index.ts';
import type { Signer } from '../../src/identity/index.ts';
import { createGrantBook, issueGrant, parseGrant, verifyChain } from '../../src/grants/index.ts';
import type {
  Capability,
  ChainContext,
  ChainVerdict,
  Grant,
  GrantBook,
  GrantInit,
} from '../../src/grants/index.ts';
import { silentLogger } from '../../src/core/index.ts';
import type { Clock } from '../../src/core/index.ts';
import { memoryTable } from './memory-table.ts';

/** 2026-06-01T00:00:00Z */
export const NOW_MS = 1_780_272_000_000;
export const NOW_S = NOW_MS / 1000;

const PKCS8_ED25519 = Buffer.from('302e020100300506032b657004220420', 'hex');

/** The PKCS#8 key of the test seed `number`. */
export function privateKeyOf(number: number): ReturnType<typeof createPrivateKey> {
  const key = Buffer.concat([PKCS8_ED25519, Buffer.alloc(32, number)]);
  return createPrivateKey({ key, format: 'der', type: 'pkcs8' });
}

/** A signer that is always the same for the same number. */
export function signerOf(number: number): Signer {
  const key = privateKeyOf(number);
  const { did } = signerFromSeed(Buffer.alloc(32, number));
  return { did, sign: (message) => sign(null, message, key) };
}

export const owner = signerOf(1);
export const alice = signerOf(2);
export const bob = signerOf(3);
export const carol = signerOf(4);
export const stranger = signerOf(9);

export const READ: Capability = { resource: 'tool:files/read_*', ability: 'tool/call' };
export const ALL_FILES: Capability = { resource: 'tool:files/*', ability: 'tool/call' };

/** A grant of `from` on the owner's files, good for an hour, unless told otherwise. */
export function grantOf(from: Signer, to: Signer, init: Partial<GrantInit> = {}): Grant {
  return issueGrant(
    from,
    {
      aud: to.did,
      sub: owner.did,
      cap: [ALL_FILES],
      expiresAt: NOW_S + 3600,
      ...init,
    },
    NOW_MS,
  );
}

/** A chain of `length` links from the owner, each signer granting to the next; root first. */
export function chainOf(signers: readonly Signer[], cap = [ALL_FILES]): readonly Grant[] {
  const chain: Grant[] = [];
  for (let index = 0; index + 1 < signers.length; index += 1) {
    const [from, to] = [signers[index], signers[index + 1]];
    if (from === undefined || to === undefined) continue;
    const parent = chain.at(-1);
    const maxDepth = signers.length - 2 - index;
    chain.push(
      grantOf(from, to, { cap, maxDepth, ...(parent === undefined ? {} : { parents: [parent] }) }),
    );
  }
  return chain;
}

/** Verifies the last of `grants`, with all of them known and none revoked. */
export function verifyLast(
  grants: readonly Grant[],
  context: Partial<ChainContext> = {},
): ChainVerdict {
  const byHash = new Map(grants.map((grant) => [grant.hash, grant]));
  const leaf = grants.at(-1);
  if (leaf === undefined) throw new Error('no grant to verify');
  return verifyChain(leaf, {
    find: (hash) => byHash.get(hash),
    nowMs: NOW_MS,
    isRevoked: () => false,
    ...context,
  });
}

/** Signs any header and payload text, as somebody who does not play by the rules would. */
export function forge(
  signer: Signer,
  payload: string | object,
  header: string | object = { alg: 'EdDSA', typ: 'starling-grant+jwt' },
): string {
  const part = (value: string | object): string =>
    Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');
  const input = `${part(header)}.${part(payload)}`;
  return `${input}.${Buffer.from(signer.sign(Buffer.from(input))).toString('base64url')}`;
}

/** A grant with some claims changed, signed again by `signer` without any check, and parsed. */
export function resign(signer: Signer, grant: Grant, claims: object): Grant {
  return parseGrant(forge(signer, { ...grant.claims, ...claims }));
}

/** A clock that stands until told to move; timers run when it passes them. */
export function manualClock(): Clock & { advance(ms: number): Promise<void> } {
  let nowMs = NOW_MS;
  const timers = new Set<{ readonly atMs: number; readonly task: () => void }>();
  return {
    now: () => nowMs,
    schedule(delayMs, task) {
      const timer = { atMs: nowMs + delayMs, task };
      timers.add(timer);
      return () => void timers.delete(timer);
    },
    async advance(ms) {
      const untilMs = nowMs + ms;
      for (;;) {
        const [next] = [...timers].sort((a, b) => a.atMs - b.atMs);
        if (next === undefined || next.atMs > untilMs) break;
        timers.delete(next);
        nowMs = Math.max(nowMs, next.atMs);
        next.task();
        await new Promise((resolve) => setImmediate(resolve));
      }
      nowMs = untilMs;
    },
  };
}

/** A book of the owner's grants with nothing in it, not started. */
export function emptyBook(clock: Clock): GrantBook {
  return createGrantBook({
    identity: owner,
    grants: memoryTable(),
    revocations: memoryTable(),
    clock,
    logger: silentLogger,
  });
}
