import { connect, type Server } from 'node:net';

/**
 * Run in the cluster's network, with a listening socket of another: what comes in there goes out here. Arguments: address and port.
 * Ends with who has started it.
 */
const [host = '', port = ''] = process.argv.slice(2);

process.on('message', (_message, server) => {
  (server as Server).on('connection', (outside) => {
    const inside = connect({ host, port: Number(port), noDelay: true });
    outside.setNoDelay(true);
    outside.on('error', () => inside.destroy());
    inside.on('error', () => outside.destroy());
    outside.pipe(inside).pipe(outside);
  });
});
process.once('disconnect', () => process.exit());
