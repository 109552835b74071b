/** Boards: what is shared, who wrote it when, and the last write taken back. */
import { useState } from 'preact/hooks';
import type {
  BoardHistoryResult,
  BoardInfoResult,
  BoardListResult,
} from '../../../builtin/results.ts';
import { Action } from '../action.tsx';
import { useLive } from '../live.ts';
import { Answer, Badge, Card, Command, Facts, Nothing, Table } from '../parts.tsx';
import { clock, count, shellWord, shortId } from '../words.ts';

const HISTORY = 50;
const VALUE_MAX = 2000;

/** One board at a time, and the choice of it where there are several. */
export function BoardsPage() {
  const live = useLive<BoardListResult>('board_list', {}, 4000);
  const [chosen, setChosen] = useState<string>();
  return (
    <Answer live={live}>
      {({ boards = [] }) => {
        const shown = boards.find((name) => name === chosen) ?? boards[0];
        if (shown === undefined) {
          return (
            <Card>
              <Nothing command="starling board create <board>">There is no board yet.</Nothing>
            </Card>
          );
        }
        return (
          <>
            <label class="field">
              <span>board</span>
              <select value={shown} onChange={(event) => setChosen(event.currentTarget.value)}>
                {boards.map((name) => (
                  <option value={name} key={name}>
                    {name}
                  </option>
                ))}
              </select>
            </label>
            <Board name={shown} key={shown} />
          </>
        );
      }}
    </Answer>
  );
}

function Board({ name }: { name: string }) {
  return (
    <>
      <About name={name} />
      <Entries name={name} />
      <Changes name={name} />
    </>
  );
}

function About({ name }: { name: string }) {
  const info = useLive<BoardInfoResult>('board_info', { board: name }, 3000);
  return (
    <Card title="About it" aside={<Command line={`starling board info ${shellWord(name)}`} />}>
      <Answer live={info}>
        {(board) => (
          <Facts
            facts={[
              [
                'open',
                <Badge tone={board.open ? 'info' : 'quiet'}>
                  {board.open ? 'to all members' : 'to those who were let in'}
                </Badge>,
              ],
              [
                'strong',
                board.replicas === undefined
                  ? undefined
                  : `kept by ${board.replicas.map(shortId).join(', ')}`,
              ],
              ['entries', `${count(board.keys)}, ${count(board.bytes)} bytes`],
              ['made by', board.createdBy === undefined ? undefined : shortId(board.createdBy)],
              [
                'coming in',
                board.coming
                  ?.map(({ from, changes, of }) => `${changes} of ${of} from ${from}`)
                  .join(', '),
              ],
            ]}
          />
        )}
      </Answer>
    </Card>
  );
}

function Entries({ name }: { name: string }) {
  const entries = useLive<BoardListResult>('board_list', { board: name });
  return (
    <Card title="Entries" aside={<Command line={`starling board list ${shellWord(name)}`} />}>
      <Answer live={entries}>
        {({ entries: rows = [] }) =>
          rows.length === 0 ? (
            <Nothing command={`starling board set ${shellWord(name)} <key> <value>`}>
              Nothing is written here.
            </Nothing>
          ) : (
            <Table
              label="Entries of the board"
              rows={rows}
              keyOf={({ key }) => key}
              columns={[
                { name: 'key', cell: ({ key }) => <b>{key}</b> },
                { name: 'value', cell: ({ value }) => <code>{valueText(value)}</code> },
                { name: 'by', cell: ({ by }) => shortId(by) },
                { name: 'when', cell: ({ at }) => clock(at) },
                {
                  name: 'take back',
                  cell: ({ key }) => (
                    <Action
                      tool="board_undo"
                      args={{ board: name, key }}
                      isDanger
                      question="Write what was before?"
                      onDone={entries.refresh}
                      key={key}
                    >
                      Undo
                    </Action>
                  ),
                },
              ]}
            />
          )
        }
      </Answer>
      <p class="hint">Undo takes back this node's last write of a key:</p>
      <Command line={`starling board undo ${shellWord(name)} <key>`} />
    </Card>
  );
}

function Changes({ name }: { name: string }) {
  const history = useLive<BoardHistoryResult>(
    'board_history',
    { board: name, limit: HISTORY },
    3000,
  );
  return (
    <Card
      title="What changed"
      aside={<Command line={`starling board history ${shellWord(name)}`} />}
    >
      <Answer live={history}>
        {({ changes }) => (
          <Table
            label="Changes of the board"
            rows={changes.toReversed()}
            keyOf={({ position }) => position}
            columns={[
              { name: 'when', cell: ({ at }) => clock(at) },
              { name: 'by', cell: ({ by }) => shortId(by) },
              { name: 'key', cell: ({ key }) => <b>{key}</b> },
              {
                name: 'value',
                cell: ({ value }) =>
                  value === undefined ? (
                    <Badge tone="quiet">deleted</Badge>
                  ) : (
                    <code>{valueText(value)}</code>
                  ),
              },
            ]}
          />
        )}
      </Answer>
    </Card>
  );
}

function valueText(value: unknown): string {
  const text = JSON.stringify(value);
  return text.length > VALUE_MAX ? `${text.slice(0, VALUE_MAX)}…` : text;
}
