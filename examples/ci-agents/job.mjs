// Hands in a job from a CI server, with nothing but Node, and ends with 0 where it passed: node job.mjs <job>
// STARLING_KEY is a key of a node, STARLING_URL its address (default: http://127.0.0.1:4100).
const { STARLING_KEY: key, STARLING_URL: url = 'http://127.0.0.1:4100' } = process.env;
const [job] = process.argv.slice(2);
if (key === undefined || job === undefined) {
  process.stderr.write('usage: STARLING_KEY=… node job.mjs <job>\n');
  process.exit(2);
}

/** Calls a tool of the node, and gives its answer. */
async function call(tool, args) {
  const response = await fetch(`${url}/mcp/tools/starling__${tool}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify(args),
  });
  const { error, structuredContent } = await response.json();
  if (error !== undefined) throw new Error(`${response.status}: ${error.message}`);
  return structuredContent;
}

const OPEN = ['submitted', 'planned', 'bidding', 'leased', 'running', 'reported', 'verified'];
let task = await call('agent_task', { capability: 'ci', input: { job } });
while (OPEN.includes(task.status)) {
  task = await call('task_result', { taskId: task.taskId, timeout_s: 25 });
}
process.stdout.write(`${task.result ?? task.error?.message ?? task.status}\n`);
process.exitCode = task.status === 'done' ? 0 : 1;
