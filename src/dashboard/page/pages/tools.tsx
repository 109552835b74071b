/** Tools: search what can be called, try a tool by a form made from its schema, and attach a client. */
import { useEffect, useState } from 'preact/hooks';
import { noteFailure } from '../live.ts';
import { listTools } from '../mcp.ts';
import type { Tool } from '../mcp.ts';
import { Badge, Card, Command, Failure, Nothing, Panel, Table } from '../parts.tsx';
import { TryTool } from '../try-tool.tsx';
import { counted } from '../words.ts';

/** Tools that are shown at once: a search narrows them. */
const SHOWN_MAX = 60;
/** The clients that `starling connect` knows. */
const CLIENTS = [
  'claude-desktop',
  'claude-code',
  'cursor',
  'vscode',
  'windsurf',
  'cline',
  'gemini-cli',
  'copilot',
  'zed',
  'lm-studio',
];

/** The search, its hits, and the form of the chosen tool. */
export function ToolsPage() {
  const [tools, setTools] = useState<readonly Tool[]>();
  const [error, setError] = useState<Error>();
  const [search, setSearch] = useState('');
  const [shown, setShown] = useState<Tool>();
  useEffect(() => {
    listTools().then(setTools, (failure: unknown) => {
      noteFailure(failure);
      setError(failure instanceof Error ? failure : new Error(String(failure)));
    });
  }, []);
  const words = search
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== '');
  const found = (tools ?? []).filter(({ name, title = '', description = '' }) => {
    const text = `${name} ${title} ${description}`.toLowerCase();
    // Those of the node itself come up where they are asked for: its pages are made of them.
    return words.length === 0
      ? !name.startsWith('starling__')
      : words.every((word) => text.includes(word));
  });
  return (
    <>
      <Card title="Tools">
        <label class="field">
          <span>search names and descriptions</span>
          <input
            type="search"
            value={search}
            onInput={(event) => setSearch(event.currentTarget.value)}
          />
        </label>
        {error === undefined ? undefined : <Failure error={error} />}
        {tools === undefined && error === undefined ? (
          <p class="loading">asking the node …</p>
        ) : undefined}
        {tools !== undefined && found.length === 0 ? (
          <Nothing command="starling mcp add <name> -- <command>">
            No tool is called so. Add a server, or look for <i>starling</i>.
          </Nothing>
        ) : undefined}
        {found.length === 0 ? undefined : <Found tools={found} onShow={setShown} />}
      </Card>
      <AttachCard />
      {shown === undefined ? undefined : (
        <Panel title={shown.name} onClose={() => setShown(undefined)}>
          <TryTool tool={shown} />
        </Panel>
      )}
    </>
  );
}

function Found({ tools, onShow }: { tools: readonly Tool[]; onShow: (tool: Tool) => void }) {
  return (
    <>
      <p class="hint" role="status">
        {counted(tools.length, 'tool')}
        {tools.length > SHOWN_MAX ? `, of which ${SHOWN_MAX} are shown` : ''}
      </p>
      <Table
        label="Tools"
        rows={tools.slice(0, SHOWN_MAX)}
        keyOf={({ name }) => name}
        columns={[
          {
            name: 'tool',
            cell: (tool) => (
              <button type="button" class="link" onClick={() => onShow(tool)}>
                {tool.name}
              </button>
            ),
          },
          {
            name: 'what it does',
            cell: ({ description = '' }) => <span class="clip">{description}</span>,
          },
          {
            name: 'says of itself',
            cell: ({ annotations }) => <Hints hints={annotations ?? {}} />,
          },
        ]}
      />
    </>
  );
}

function AttachCard() {
  return (
    <Card title="Attach a client">
      <p class="hint">
        Each of these writes the configuration of one program, which then has your tools and those
        that peers grant you:
      </p>
      <ul class="clients">
        {CLIENTS.map((name) => (
          <li key={name}>
            <b>{name}</b>
            <Command line={`starling connect ${name}`} />
          </li>
        ))}
      </ul>
    </Card>
  );
}

function Hints({ hints }: { hints: Readonly<Record<string, unknown>> }) {
  if (hints['readOnlyHint'] === true) return <Badge tone="good">only reads</Badge>;
  if (hints['destructiveHint'] === false) return <Badge tone="info">adds</Badge>;
  return <Badge tone="warn">may change things</Badge>;
}
