/** What agents propose to run, as a difference; a proposal is answered in a terminal, where the configuration is written. */
import type { ProposalListResult, ProposalShowResult } from '../../../proposals/types.ts';
import { useLive } from '../live.ts';
import { Answer, Badge, Card, Command } from '../parts.tsx';

const LOOK_MS = 30_000;

/** A card for each that waits; nothing where none does. */
export function Proposals() {
  const { data } = useLive<ProposalListResult>('proposal_list', {}, LOOK_MS);
  return (
    <>
      {data?.proposals.map(({ agent, id, name, state, taint, trial, what }) => (
        <Card
          key={id}
          title={`${agent} proposes ${what === 'server' ? 'the server' : 'the kind of agents'} ${name}`}
          aside={<Badge tone={taint === undefined ? 'quiet' : 'warn'}>{`trial: ${trial}`}</Badge>}
        >
          <Difference id={id} />
          <div class="actions">
            <Command line={`starling proposals try ${id.slice(0, 8)}`} />
            <Command line={`starling proposals approve ${id.slice(0, 8)}`} />
            {state === 'pending' ? (
              <Command line={`starling proposals deny ${id.slice(0, 8)}`} />
            ) : undefined}
          </div>
        </Card>
      ))}
    </>
  );
}

function Difference({ id }: { id: string }) {
  const live = useLive<ProposalShowResult>('proposal_show', { id }, LOOK_MS);
  return (
    <Answer live={live}>
      {({ lines, trialLines }) => <pre>{[...lines, '', ...trialLines].join('\n')}</pre>}
    </Answer>
  );
}
