/** Mesh: who is there, how far away and by which route, and what is known of one peer. */
import { useState } from 'preact/hooks';
import type {
  PeerShowResult,
  PeerSummary,
  PeersResult,
  StatusResult,
} from '../../../builtin/results.ts';
import { useLive } from '../live.ts';
import type { Live } from '../live.ts';
import { Graph } from '../graph.tsx';
import { Answer, Badge, Card, Command, Facts, Figure, Nothing, Panel, Table } from '../parts.tsx';
import type { Tone } from '../parts.tsx';
import { ago, counted, duration, latency, shellWord, shortId } from '../words.ts';

/** What the state of a peer looks like. */
export const PEER_TONES: Readonly<Record<string, Tone>> = {
  alive: 'good',
  suspect: 'warn',
  dead: 'bad',
  left: 'quiet',
};

/** This node and its peers; of the one that is chosen all that is known. `status` is what the app asks for anyway. */
export function MeshPage({ status }: { status: Live<StatusResult> }) {
  const peers = useLive<PeersResult>('peers');
  const [shown, setShown] = useState<string>();
  return (
    <>
      <Answer live={status}>{(data) => <Now status={data} />}</Answer>
      <Answer live={peers}>
        {({ peers: all }) =>
          all.length === 0 ? (
            <Card title="Peers">
              <Nothing command="starling invite">
                This node is alone. Make a ticket, and start another node with it.
              </Nothing>
            </Card>
          ) : (
            <>
              <Card title="Live map">
                <Graph self={status.data?.name ?? 'this node'} peers={all} onShow={setShown} />
              </Card>
              <Card title="Peers">
                <PeerTable peers={all} onShow={setShown} />
              </Card>
            </>
          )
        }
      </Answer>
      {shown === undefined ? undefined : (
        <Panel title={shown} onClose={() => setShown(undefined)}>
          <PeerCard peer={shown} />
        </Panel>
      )}
    </>
  );
}

function Now({ status }: { status: StatusResult }) {
  const { alive, suspect, dead, left } = status.peers;
  const servers = status.upstreams.filter(({ kind }) => kind !== 'builtin');
  const ready = servers.filter(({ state }) => state === 'ready' || state === 'idle').length;
  const sessions = Object.values(status.sessions).reduce((sum, one) => sum + one, 0);
  const away = [
    [suspect, 'suspect'],
    [dead, 'dead'],
    [left, 'stopped'],
  ] as const;
  const others = away.filter(([many]) => many > 0).map(([many, word]) => `${many} ${word}`);
  return (
    <dl class="figures">
      <Figure
        label="mesh"
        value={status.mesh.name}
        detail={status.mesh.open ? 'open to anyone' : status.mesh.fingerprint}
      />
      <Figure
        label="peers alive"
        value={alive}
        detail={others.length === 0 ? 'nobody is missing' : others.join(', ')}
        tone={suspect + dead > 0 ? 'warn' : 'good'}
      />
      <Figure
        label="servers ready"
        value={`${ready} of ${servers.length}`}
        detail={counted(sessions, 'session')}
      />
      <Figure
        label="up"
        value={duration(Date.now() - status.startedAt)}
        detail={`version ${status.version}`}
      />
    </dl>
  );
}

function PeerTable({
  peers,
  onShow,
}: {
  peers: readonly PeerSummary[];
  onShow: (alias: string) => void;
}) {
  return (
    <Table
      label="Peers of the mesh"
      rows={peers}
      keyOf={({ peerId }) => peerId}
      columns={[
        {
          name: 'peer',
          cell: ({ alias }) => (
            <button type="button" class="link" onClick={() => onShow(alias)}>
              {alias}
            </button>
          ),
        },
        {
          name: 'state',
          cell: ({ state }) => <Badge tone={PEER_TONES[state] ?? 'quiet'}>{state}</Badge>,
        },
        { name: 'latency', isNumber: true, cell: ({ rttMs }) => latency(rttMs) },
        { name: 'route', cell: ({ route, whyRelayed }) => whyRelayed ?? route ?? 'no connection' },
        { name: 'heard', isNumber: true, cell: ({ lastHeartbeatAt }) => ago(lastHeartbeatAt) },
        { name: 'address', cell: ({ address = '–' }) => <code class="cut">{address}</code> },
      ]}
    />
  );
}

function PeerCard({ peer }: { peer: string }) {
  const live = useLive<PeerShowResult>('peer_show', { peer });
  return (
    <Answer live={live}>
      {({ peer: view, member, grants }) => (
        <>
          <Facts
            facts={[
              ['state', <Badge tone={PEER_TONES[view.state] ?? 'quiet'}>{view.state}</Badge>],
              ['latency', latency(view.rttMs)],
              ['route', view.whyRelayed ?? view.route],
              ['calls itself now', view.newName],
              ['address', view.address === undefined ? undefined : <code>{view.address}</code>],
              ['PeerId', <code>{view.peerId}</code>],
              ['identity', <code>{view.did}</code>],
              ['let in by', member?.isFounder === true ? 'founded the mesh' : member?.by],
              ['what it does too much of', view.conduct?.text],
              ['its version', view.otherVersion?.text],
            ]}
          />
          <h3>Grants with it</h3>
          {grants.length === 0 ? (
            <Nothing command={`starling grant create ${shellWord(peer)} --tool '<server>/*'`}>
              Neither side has granted the other anything.
            </Nothing>
          ) : (
            <ul class="plain-list">
              {grants.map(({ id, direction, capabilities }) => (
                <li key={id}>
                  <Badge tone="info">{direction === 'issued' ? 'to it' : 'to this node'}</Badge>{' '}
                  {capabilities.map(({ resource }) => resource).join(', ')}{' '}
                  <small>{shortId(id)}</small>
                </li>
              ))}
            </ul>
          )}
          <Command line={`starling peers show ${shellWord(peer)}`} />
        </>
      )}
    </Answer>
  );
}
