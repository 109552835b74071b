// Asks a language model by the OpenAI API, with nothing but Node: node ask.mjs <model> <question>
// It knows nothing of Starling: OPENAI_BASE_URL and OPENAI_API_KEY say whom it asks, as for any such program.
const { OPENAI_BASE_URL: base, OPENAI_API_KEY: key } = process.env;
const [model, content] = process.argv.slice(2);
if (base === undefined || key === undefined || content === undefined) {
  process.stderr.write(
    'usage: OPENAI_BASE_URL=… OPENAI_API_KEY=… node ask.mjs <model> <question>\n',
  );
  process.exit(2);
}
const response = await fetch(`${base}/chat/completions`, {
  method: 'POST',
  headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
  body: JSON.stringify({ model, stream: true, messages: [{ role: 'user', content }] }),
});
if (!response.ok) {
  const { error } = await response.json();
  process.stderr.write(`${response.status}: ${error.message}\n`);
  process.exit(1);
}
let rest = '';
for await (const text of response.body.pipeThrough(new TextDecoderStream())) {
  const lines = (rest + text).split('\n');
  rest = lines.pop();
  for (const line of lines) {
    if (!line.startsWith('data: {')) continue;
    const { choices = [], error } = JSON.parse(line.slice('data: '.length));
    if (error !== undefined) throw new Error(error.message);
    process.stdout.write(choices[0]?.delta?.content ?? '');
  }
}
process.stdout.write('\n');
