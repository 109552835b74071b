/** A tool to be tried: a form made from its schema, what it answered, and what each part of the call's way took. */
import { useEffect, useState } from 'preact/hooks';
import { placeOf, wayText } from '../../core/words/trace-ways.ts';
import type { Way } from '../../core/words/trace-ways.ts';
import { noteFailure } from './live.ts';
import { callTraced, listTools } from './mcp.ts';
import type { Tool, TracedAnswer } from './mcp.ts';
import { Command, Failure, Meter, Nothing, Panel, Table } from './parts.tsx';
import { SchemaForm, argumentsOf, commandOf } from './schema-form.tsx';
import type { Values } from './schema-form.tsx';
import { latency, shellWord } from './words.ts';

/** The tool of that name in a panel, as long as it is there. */
export function TryPanel({ name, onClose }: { name: string; onClose: () => void }) {
  const [tools, setTools] = useState<readonly Tool[]>();
  const [error, setError] = useState<Error>();
  useEffect(() => {
    listTools().then(setTools, (failure: unknown) => setError(toldError(failure)));
  }, []);
  const tool = tools?.find((one) => one.name === name);
  return (
    <Panel title={name} onClose={onClose}>
      {error === undefined ? undefined : <Failure error={error} />}
      {tools === undefined && error === undefined ? (
        <p class="loading">asking the node …</p>
      ) : undefined}
      {tools !== undefined && tool === undefined ? (
        <Nothing command={`starling tools show ${shellWord(name)}`}>
          No tool is called so now: its server or its peer is away, or it was granted no longer.
        </Nothing>
      ) : undefined}
      {tool === undefined ? undefined : <TryTool tool={tool} />}
    </Panel>
  );
}

/** The form, and what comes of it. */
export function TryTool({ tool }: { tool: Tool }) {
  const [values, setValues] = useState<Values>({});
  const [answer, setAnswer] = useState<TracedAnswer>();
  const [error, setError] = useState<Error>();
  const [isBusy, setBusy] = useState(false);
  const schema = tool.inputSchema ?? {};
  const call = async (event: Event): Promise<void> => {
    event.preventDefault();
    setBusy(true);
    setAnswer(undefined);
    setError(undefined);
    try {
      setAnswer(await callTraced(tool.name, argumentsOf(schema, values)));
    } catch (failure) {
      setError(toldError(failure));
    }
    setBusy(false);
  };
  const command = commandOf(tool.name, schema, values);
  return (
    <>
      <p class="description">{tool.description}</p>
      <form
        onSubmit={(event) => {
          call(event).catch(reportError);
        }}
      >
        <SchemaForm schema={schema} values={values} onChange={setValues} />
        <div class="actions">
          <button type="submit" disabled={isBusy}>
            {isBusy ? 'waiting …' : 'Call it'}
          </button>
          <Command line={command} />
        </div>
      </form>
      <div role="status">
        {error === undefined ? undefined : <Failure error={error} />}
        {answer === undefined ? undefined : (
          <>
            <h3>{answer.isError ? 'It failed' : 'It answered'}</h3>
            <pre tabIndex={0}>
              {answer.data === undefined
                ? answer.texts.join('\n')
                : JSON.stringify(answer.data, undefined, 2)}
            </pre>
            {answer.ways.length === 0 ? undefined : (
              <Trace ways={answer.ways} command={command.replace(' call ', ' trace ')} />
            )}
          </>
        )}
      </div>
    </>
  );
}

/** What each part of the way took, there and back. */
function Trace({ ways, command }: { ways: readonly Way[]; command: string }) {
  const whole = Math.max(
    Number.MIN_VALUE,
    ways.reduce((sum, { ms }) => sum + ms, 0),
  );
  return (
    <>
      <h3>What its way took</h3>
      <Table
        label="Parts of the way"
        rows={ways}
        keyOf={({ part }, index) => `${part}${index}`}
        columns={[
          { name: 'where', cell: (way) => <b>{placeOf(way)}</b> },
          {
            name: 'what',
            cell: (way) => (way.part === 'client' ? 'the way from here' : wayText(way)),
          },
          { name: 'took', isNumber: true, cell: ({ ms }) => latency(ms) },
          {
            name: 'of all',
            cell: ({ ms }) => (
              <Meter
                label={`${Math.round((ms / whole) * 100)} %`}
                parts={[{ share: ms / whole, tone: 'info' }]}
              />
            ),
          },
        ]}
      />
      <Command line={command} />
    </>
  );
}

function toldError(failure: unknown): Error {
  noteFailure(failure);
  return failure instanceof Error ? failure : new Error(String(failure));
}
