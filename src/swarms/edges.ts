/**
 * The grants that are the topology of a swarm. Each node gives those for its own agents, and gives its agents the right to
 * turn to those of others; nobody gives a right on what is another node's. What a grant allows is the least: messages of
 * the agents that it names, and tasks where the topology has them.
 */
import { StarlingError, messageOf } from '../core/index.ts';
import type { Clock, Did, Json, Logger } from '../core/index.ts';
import { agentResource } from '../agents/index.ts';
import type { Capability, GrantBook } from '../grants/index.ts';
import type { Membership, PeerView } from '../membership/index.ts';
import type { Table } from '../store/index.ts';
import { EDGE_LIFE_MS } from './limits.ts';
import { edgesAround } from './topology.ts';
import type { Seat, Swarm } from './types.ts';

/** What edges need. */
export interface EdgesComponents {
  readonly self: Did;
  readonly grants: Pick<GrantBook, 'issue' | 'issued' | 'revoke' | 'state'>;
  readonly membership: Pick<Membership, 'find'>;
  readonly table: Table;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** A grant that there should be. */
interface Wish {
  /** Tells it from all others of the swarm. */
  readonly key: string;
  readonly aud: Did;
  readonly capabilities: readonly Capability[];
}

/** A grant that was given: its id, and what it says. */
interface Given {
  readonly jti: string;
  readonly says: string;
}

/** The edges of this node's swarms. */
export interface Edges {
  load(): Promise<void>;
  /** Gives what there should be, and takes back all else of this swarm. @throws STARLING_STATE_UNUSABLE */
  settle(swarm: Swarm): Promise<void>;
  /** Takes all edges of a swarm back. @throws STARLING_STATE_UNUSABLE */
  drop(swarmId: string): Promise<void>;
  /** The id of the grant by which `from` may write to `to`, where this node has given it. */
  grantFor(swarmId: string, from: Seat, to: Seat): string | undefined;
  /** Swarms of which there are edges. */
  swarms(): readonly string[];
}

const ROW = 'edge/';

/** Makes the edges of a node. */
export function createEdges(components: EdgesComponents): Edges {
  const { clock, grants, logger, membership, self, table } = components;
  const given = new Map<string, Map<string, Given>>();
  const rowKey = (swarmId: string, key: string): string => `${ROW}${swarmId}/${key}`;
  const isThere = (one: Given, wish: Wish): boolean =>
    one.says === JSON.stringify(wish.capabilities) &&
    grants
      .issued()
      .some((grant) => grant.claims.jti === one.jti && grants.state(grant) === 'valid');
  const end = async (swarmId: string, key: string, { jti }: Given): Promise<void> => {
    await grants.revoke(jti, 'an edge of a swarm that is no more').catch((error: unknown) => {
      // One that has ended, or that the operator has revoked, is gone as it should be.
      if (!(error instanceof StarlingError)) throw error;
      logger.debug({ jti, error: messageOf(error) }, 'an edge was not revoked');
    });
    await table.delete(rowKey(swarmId, key));
    given.get(swarmId)?.delete(key);
  };
  return {
    async load() {
      given.clear();
      for await (const [key, bytes] of table.entries(ROW)) {
        const [, swarmId = '', ...rest] = key.split('/');
        const all = given.get(swarmId) ?? new Map<string, Given>();
        given.set(swarmId, all);
        all.set(rest.join('/'), JSON.parse(Buffer.from(bytes).toString('utf8')) as Given);
      }
    },
    async settle(swarm) {
      const all = given.get(swarm.id) ?? new Map<string, Given>();
      given.set(swarm.id, all);
      const wishes = wishesOf(swarm, self, (did) => membership.find(did));
      for (const wish of wishes) {
        const known = all.get(wish.key);
        if (known !== undefined && isThere(known, wish)) continue;
        if (known !== undefined) await end(swarm.id, wish.key, known);
        const { aud, capabilities } = wish;
        const expiresAtMs = clock.now() + EDGE_LIFE_MS;
        const grant = await grants.issue({
          aud,
          capabilities,
          expiresAtMs,
          renewForMs: EDGE_LIFE_MS,
        });
        const one = { jti: grant.claims.jti, says: JSON.stringify(capabilities) };
        all.set(wish.key, one);
        await table.put(rowKey(swarm.id, wish.key), Buffer.from(JSON.stringify(one)));
      }
      const keys = new Set(wishes.map(({ key }) => key));
      for (const [key, one] of all) if (!keys.has(key)) await end(swarm.id, key, one);
    },
    async drop(swarmId) {
      for (const [key, one] of given.get(swarmId) ?? []) await end(swarmId, key, one);
      given.delete(swarmId);
    },
    grantFor(swarmId, from, to) {
      const all = given.get(swarmId);
      return (to.did === self ? all?.get(keyOfWish(from.did, to)) : all?.get(keyOfWish(self, to)))
        ?.jti;
    },
    swarms: () => [...given.keys()],
  };
}

/** A node that is gone, as far as this one knows. */
export function isGone(peer: Pick<PeerView, 'state'> | undefined): boolean {
  return peer?.state === 'dead' || peer?.state === 'left';
}

function keyOfWish(aud: Did, to: Seat): string {
  return `${aud}/${to.did}/${to.agent}`;
}

/** The grants that this node is to give: for its own agents, and to its own agents on those of others. */
function wishesOf(
  swarm: Swarm,
  self: Did,
  peerOf: (did: Did) => Pick<PeerView, 'alias' | 'state'> | undefined,
): readonly Wish[] {
  if (swarm.dissolvedAt !== undefined) return [];
  const seats = swarm.seats.filter(({ joined }) => joined);
  const edges = edgesAround(swarm.topology, seats.length, (place) =>
    isGone(peerOf(seats[place]?.did ?? self)),
  );
  return seats.flatMap((to, place) => {
    const coming = edges.filter((edge) => edge.to === place);
    const senders = [...new Set(coming.flatMap(({ from }) => seats[from]?.did ?? []))];
    const alias = to.did === self ? undefined : peerOf(to.did)?.alias;
    // On what is another node's, this one gives rights to its own agents alone.
    const auds =
      to.did === self ? senders : alias === undefined ? [] : senders.filter((did) => did === self);
    const resource = agentResource({
      name: to.agent,
      ...(alias === undefined ? {} : { node: alias }),
    });
    return auds.map((aud) => {
      const theirs = coming.filter(({ from }) => seats[from]?.did === aud);
      const names = (list: typeof theirs): string[] =>
        list.flatMap(({ from }) => seats[from]?.agent ?? []);
      const by = (list: readonly string[]): Readonly<Record<string, Json>> => ({
        args: { from: { enum: [...list] } },
      });
      const tasks = names(theirs.filter(({ task }) => task));
      const capabilities: Capability[] = [
        { resource, ability: 'agent/message', caveats: by(names(theirs)) },
      ];
      // A task comes from the node of a submitter, which says no agent; of the own ones each is known.
      if (tasks.length > 0) {
        const own = aud === self ? { caveats: by(tasks) } : {};
        capabilities.push({ resource, ability: 'agent/task', ...own });
      }
      return { key: keyOfWish(aud, to), aud, capabilities };
    });
  });
}
