// The sealed payload of the npm package @waku/message-encryption, for the interop program.
//
//   node payload.mjs DIRECTORY
//
// DIRECTORY has the node_modules with the package. One JSON object a line on stdin, one answer a line on stdout, in the
// same order. It ends when stdin does. All bytes are hex without 0x.
//
//   {do: "public", secret}                                   the public key of a secret: {public}
//   {do: "seal", form, key, signer?, payload}                {data}
//   {do: "open", form, key, data}                            {payload, author?}, the author as 65 bytes
//
// `form` is "asymmetric" (the key to seal with is public, the one to open with is secret) or "symmetric". What the
// package throws is {error}; what it gives up without a word is {error: "nothing"}.

import { createInterface } from 'node:readline';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

const [directory] = process.argv.slice(2);
const home = path.resolve(directory, 'node_modules/@waku/message-encryption/dist');
const load = (file) => import(pathToFileURL(path.join(home, file)));
const asymmetric = await load('ecies.js');
const symmetric = await load('symmetric.js');
const { getPublicKey } = await load('crypto/index.js');

const hex = (bytes) => Buffer.from(bytes).toString('hex');
const bytes = (text) => Uint8Array.from(Buffer.from(text, 'hex'));

const seals = { asymmetric: asymmetric.encryptAsymmetric, symmetric: symmetric.encryptSymmetric };
const opens = { asymmetric: asymmetric.decryptAsymmetric, symmetric: symmetric.decryptSymmetric };

const orders = {
  public: ({ secret }) => ({ public: hex(getPublicKey(bytes(secret))) }),
  seal: async ({ form, key, signer, payload }) => {
    const plain = await symmetric.preCipher(bytes(payload), signer ? bytes(signer) : undefined);
    return { data: hex(await seals[form](plain, bytes(key))) };
  },
  open: async ({ form, key, data }) => {
    const opened = symmetric.postCipher(await opens[form](bytes(data), bytes(key)));
    if (!opened) return { error: 'nothing' };
    return { payload: hex(opened.payload), ...(opened.sig ? { author: hex(opened.sig.publicKey) } : {}) };
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const order = JSON.parse(line);
  let answer;
  try {
    answer = await orders[order.do](order);
  } catch (error) {
    answer = { error: String(error) };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
