// The devp2p stack of the npm package @ethereumjs/devp2p as a peer on loopback, for the interop program.
//
//   node peer.mjs DIRECTORY SETUP
//
// DIRECTORY has the node_modules with the package. SETUP is JSON, every field optional:
//   key           the private key, hex; a fresh one by default
//   capabilities  [[name, version, length], …]; shh/6 with 128 codes by default
//   maxPeers      10 by default
//   boot          [{ip, udp, tcp}, …]: discovery v4 starts from these; without the field it does not run
//   chokesOn      a code of the capability that is an error to it
//
// One JSON object a line: what happens on stdout (an `event` each), what to do on stdin (a `do` each). It ends when
// stdin does. All bytes are hex without 0x.
//
// The package has no public way to see pings, goodbyes before Hello, or datagrams; for these its methods are wrapped,
// which changes nothing of what it does.

import { createRequire } from 'node:module';
import path from 'node:path';
import { createInterface } from 'node:readline';

const [directory, setupText] = process.argv.slice(2);
const require = createRequire(path.resolve(directory, 'package.json'));
const { DNS, DPT, Peer, RLPx } = require('@ethereumjs/devp2p');
const ofPackage = createRequire(require.resolve('@ethereumjs/devp2p'));
const snappy = ofPackage('snappyjs');
const { secp256k1 } = ofPackage('ethereum-cryptography/secp256k1.js');
const setup = JSON.parse(setupText ?? '{}');

const hex = (bytes) => Buffer.from(bytes).toString('hex');
const bytes = (text) => Uint8Array.from(Buffer.from(text, 'hex'));
const say = (event, fields) => process.stdout.write(`${JSON.stringify({ event, ...fields })}\n`);
const nameOf = (peer) => (peer.getId() ? hex(peer.getId()) : null);

// A capability without content: it hands over what comes, and sends what it is told. The package compresses its own
// messages and expands what comes; what a capability sends is compressed by the capability.
class Relay {
  constructor(version, peer, send) {
    this.peer = peer;
    this.sendRaw = send;
  }

  _handleMessage(code, payload) {
    say('message', { peer: nameOf(this.peer), code, payload: hex(payload) });
    if (code === setup.chokesOn) throw new Error('the code that it was asked to choke on');
  }

  send(code, payload) {
    this.sendRaw(code, snappy.compress(payload));
  }
}

function watch(method, event, fields) {
  const original = Peer.prototype[method];
  Peer.prototype[method] = function (...args) {
    const result = original.apply(this, args);
    say(event, { peer: nameOf(this), ...fields(this) });
    return result;
  };
}

watch('_handlePing', 'ping', () => ({}));
watch('_handlePong', 'pong', () => ({}));
watch('_handleDisconnect', 'goodbye', (peer) => ({ reason: peer._disconnectReason }));

const key = setup.key ? bytes(setup.key) : secp256k1.utils.randomPrivateKey();
const capabilities = (setup.capabilities ?? [['shh', 6, 128]]).map(([name, version, length]) => ({
  name,
  version,
  length,
  constructor: Relay,
}));

const endpoint = { address: '127.0.0.1', udpPort: null, tcpPort: null };
const dpt = setup.boot
  ? new DPT(key, { endpoint, dnsAddr: '127.0.0.1', refreshInterval: 2000, timeout: 2000 })
  : null;
const rlpx = new RLPx(key, { capabilities, dpt, maxPeers: setup.maxPeers ?? 10, timeout: 10000 });

rlpx.events.on('peer:added', (peer) => {
  const hello = peer.getHelloMessage();
  say('added', {
    peer: nameOf(peer),
    version: hello.protocolVersion,
    client: hello.clientId,
    capabilities: hello.capabilities.map((c) => `${c.name}/${c.version}`),
    port: hello.port,
    key: hex(hello.id),
    shared: peer._protocols.map((p) => [p.offset, p.length]),
    eip8: peer._eciesSession._gotEIP8Auth || peer._eciesSession._gotEIP8Ack,
  });
});
rlpx.events.on('peer:removed', (peer, reason, byUs) => {
  say('removed', { peer: nameOf(peer), reason: reason ?? null, byIt: byUs === true });
});
rlpx.events.on('peer:error', (peer, error) => say('error', { where: 'peer', text: String(error) }));
rlpx.events.on('error', (error) => say('error', { where: 'rlpx', text: String(error) }));

if (dpt) {
  const place = (p) => ({ ip: p.address, udp: p.udpPort, tcp: p.tcpPort });
  dpt.events.on('peer:new', (p) => say('found', { key: hex(p.id), ...place(p) }));
  dpt.events.on('error', (error) => say('error', { where: 'discovery', text: String(error) }));
  dpt._server.events.on('peers', (peers) => say('told', { nodes: peers.map(place) }));
  const receive = dpt._server._handler.bind(dpt._server);
  dpt._server._handler = (datagram, from) => {
    say('datagram', { type: datagram[97], size: datagram.length, port: from.port });
    receive(datagram, from);
  };
}

const linkOf = (name) => {
  const peer = rlpx.getPeers().find((p) => nameOf(p) === name);
  if (!peer) throw new Error('no such peer');
  return peer;
};
const nodeOf = ({ ip, udp, tcp, key: name }) => ({
  address: ip,
  udpPort: udp,
  tcpPort: tcp,
  ...(name ? { id: bytes(name) } : {}),
});

const orders = {
  connect: (order) => rlpx.connect(nodeOf(order)),
  send: ({ peer, code, payload }) => linkOf(peer).getProtocols()[0].send(code, bytes(payload)),
  ping: ({ peer }) => linkOf(peer)._sendPing(),
  disconnect: ({ peer, reason }) => linkOf(peer).disconnect(reason),
  add: (order) => dpt.addPeer(nodeOf(order)),
  list: async ({ server, tree, count }) => {
    const nodes = await new DNS({ dnsServerAddress: server }).getPeers(count, [tree]);
    say('listed', { tree, nodes: nodes.map((n) => ({ ip: n.address, udp: n.udpPort, tcp: n.tcpPort })) });
  },
  find: (order) => dpt._server.findneighbours(nodeOf(order), bytes(order.target)),
};

async function listen() {
  await new Promise((done) => {
    rlpx.events.once('listening', done);
    rlpx.listen(0, '127.0.0.1');
  });
  endpoint.tcpPort = rlpx._server.address().port;
  if (dpt) {
    await new Promise((done) => {
      dpt.events.once('listening', done);
      dpt.bind(0, '127.0.0.1');
    });
    endpoint.udpPort = dpt._server._socket.address().port;
  }
  say('ready', { key: hex(rlpx.id), tcp: endpoint.tcpPort, udp: endpoint.udpPort });
  for (const node of setup.boot ?? []) dpt.bootstrap(nodeOf(node));
}

const input = createInterface({ input: process.stdin });
input.on('line', async (line) => {
  const order = JSON.parse(line);
  try {
    await orders[order.do](order);
  } catch (error) {
    say('refused', { do: order.do, text: String(error) });
  }
});
input.on('close', () => process.exit(0));

await listen();
