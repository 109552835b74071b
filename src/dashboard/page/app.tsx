/** The frame of all pages: which there are, how the page stands with the node, and the command that does the same. */
import type { ComponentChildren, ComponentType } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import type { ApprovalListResult, StatusResult } from '../../builtin/results.ts';
import type { ProposalListResult } from '../../proposals/types.ts';
import { noteOver, useConnection, useLive } from './live.ts';
import type { Live } from './live.ts';
import { endSession } from './mcp.ts';
import { AgentsPage } from './pages/agents.tsx';
import { TasksPage } from './pages/tasks.tsx';
import { SwarmsPage } from './pages/swarms.tsx';
import { BoardsPage } from './pages/boards.tsx';
import { BudgetsPage } from './pages/budgets.tsx';
import { ModelsPage } from './pages/models.tsx';
import { ApprovalsPage } from './pages/approvals.tsx';
import { AuditPage } from './pages/audit.tsx';
import { CallsPage } from './pages/calls.tsx';
import { GrantsPage } from './pages/grants.tsx';
import { HealthPage } from './pages/health.tsx';
import { MeshPage } from './pages/mesh.tsx';
import { ToolsPage } from './pages/tools.tsx';
import { Badge, Command } from './parts.tsx';
import { duration } from './words.ts';

/** What a page is given. */
export interface PageProps {
  readonly status: Live<StatusResult>;
}

interface Page {
  readonly path: string;
  readonly name: string;
  /** What does the same in a terminal. */
  readonly command: string;
  readonly component: ComponentType<PageProps>;
}

/** All pages, as the menu lists them. */
const PAGES: readonly Page[] = [
  { path: 'mesh', name: 'Mesh', command: 'starling peers --watch', component: MeshPage },
  { path: 'calls', name: 'Calls', command: 'starling audit tail', component: CallsPage },
  { path: 'tools', name: 'Tools', command: 'starling tools', component: ToolsPage },
  { path: 'approvals', name: 'Approvals', command: 'starling approvals', component: ApprovalsPage },
  { path: 'grants', name: 'Grants', command: 'starling grant list', component: GrantsPage },
  { path: 'audit', name: 'Audit', command: 'starling audit query', component: AuditPage },
  { path: 'agents', name: 'Agents', command: 'starling agent list', component: AgentsPage },
  { path: 'tasks', name: 'Tasks', command: 'starling task list', component: TasksPage },
  { path: 'swarms', name: 'Swarms', command: 'starling swarm list', component: SwarmsPage },
  { path: 'boards', name: 'Boards', command: 'starling board list', component: BoardsPage },
  { path: 'budgets', name: 'Budgets', command: 'starling budget list', component: BudgetsPage },
  { path: 'models', name: 'Models', command: 'starling model list', component: ModelsPage },
  { path: 'health', name: 'Health', command: 'starling status', component: HealthPage },
];
const [FIRST] = PAGES as readonly [Page, ...Page[]];

/** Nobody has touched the page for this long: it ends its session, as the node would. */
const IDLE_MS = 30 * 60_000;
const INPUT: readonly string[] = ['pointerdown', 'keydown', 'wheel', 'touchstart'];

/** The whole page. */
export function App() {
  const connection = useConnection();
  useIdleEnd();
  return connection.state === 'over' ? <Over /> : <Shell />;
}

function Shell() {
  const page = usePage();
  const status = useLive<StatusResult>('status');
  const waiting = useLive<ApprovalListResult>('approval_list', {}, 5000);
  const proposed = useLive<ProposalListResult>('proposal_list', {}, 30_000);
  /** What a page has for the person, by its path. */
  const counts: Readonly<Record<string, number>> = {
    health: status.data?.warnings.length ?? 0,
    approvals:
      (waiting.data?.approvals.length ?? 0) +
      (proposed.data?.proposals.filter(({ state }) => state === 'pending').length ?? 0),
  };
  useEffect(() => {
    document.title = `${page.name} – ${status.data?.name ?? 'Starling'}`;
  }, [page, status.data?.name]);
  const Shown = page.component;
  return (
    <>
      <header class="top">
        <a class="skip" href={`#/${page.path}`} onClick={toMain}>
          to the page
        </a>
        <img src="icon.svg" alt="" width="28" height="28" />
        <span class="node-name">{status.data?.name ?? 'Starling'}</span>
        <Standing />
        <button type="button" class="plain" onClick={end}>
          close
        </button>
      </header>
      <nav aria-label="pages">
        <ul>
          {PAGES.map(({ path, name }) => (
            <li key={path}>
              <a href={`#/${path}`} aria-current={path === page.path ? 'page' : undefined}>
                {name}
                {(counts[path] ?? 0) > 0 ? (
                  <Badge tone={path === 'health' ? 'bad' : 'warn'}>{counts[path]}</Badge>
                ) : undefined}
              </a>
            </li>
          ))}
        </ul>
      </nav>
      <main id="main" tabIndex={-1}>
        <div class="title">
          <h1>{page.name}</h1>
          <Command line={page.command} />
        </div>
        <Shown status={status} key={page.path} />
      </main>
    </>
  );
}

/** Whether what is shown is fresh. */
function Standing() {
  const connection = useConnection();
  const [, draw] = useState(0);
  useEffect(() => {
    if (connection.state !== 'cut') return undefined;
    const timer = setInterval(() => draw((count) => count + 1), 1000);
    return () => clearInterval(timer);
  }, [connection.state]);
  return (
    <span class="standing" role="status">
      {connection.state === 'cut' ? (
        <Badge tone="bad">
          no connection for {duration(Date.now() - connection.since)}, trying again
        </Badge>
      ) : (
        <Badge tone="good">live</Badge>
      )}
    </span>
  );
}

/** What is left when the session is over: nothing of what was shown. */
export function Over({ children }: { children?: ComponentChildren }) {
  return (
    <main class="alone">
      <img src="icon.svg" alt="" width="56" height="56" />
      <h1>This page is closed</h1>
      {children ?? <p>Its session is over. A new one begins in the terminal:</p>}
      <Command line="starling dashboard" />
    </main>
  );
}

function usePage(): Page {
  const [path, setPath] = useState(location.hash.slice(2));
  useEffect(() => {
    const changed = (): void => {
      setPath(location.hash.slice(2));
      document.querySelector('main')?.focus();
      scrollTo(0, 0);
    };
    addEventListener('hashchange', changed);
    return () => removeEventListener('hashchange', changed);
  }, []);
  return PAGES.find((page) => page.path === path) ?? FIRST;
}

function useIdleEnd(): void {
  useEffect(() => {
    let timer = setTimeout(end, IDLE_MS);
    const touched = (): void => {
      clearTimeout(timer);
      timer = setTimeout(end, IDLE_MS);
    };
    for (const name of INPUT) addEventListener(name, touched, { passive: true });
    addEventListener('pagehide', endSession);
    return () => {
      clearTimeout(timer);
      for (const name of INPUT) removeEventListener(name, touched);
      removeEventListener('pagehide', endSession);
    };
  }, []);
}

function end(): void {
  endSession();
  noteOver();
}

function toMain(event: Event): void {
  event.preventDefault();
  document.querySelector('main')?.focus();
}
