// An agent that a node runs, by lines of JSON and nothing else: "protocol": "lines" (docs/agents.md).
import { createInterface } from 'node:readline';

for await (const line of createInterface(process.stdin)) {
  const { id, message } = JSON.parse(line);
  process.stdout.write(`${JSON.stringify({ id, answer: `you said: ${message}` })}\n`);
}
