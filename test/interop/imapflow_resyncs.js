// Brings INBOX into a file with imapflow, or up to date there by QRESYNC, and then looks on in IDLE.
// When it idles it prints a line "idling"; a message that gets the given keyword ends that.
'use strict';

const crypto = require('crypto');
const fs = require('fs');
const { ImapFlow } = require(process.argv[2] + '/node_modules/imapflow');

const [port, user, password, certificate, path, keyword] = process.argv.slice(3);
const seconds = 30;

// What the server says goes to standard error.
function log(entry) {
    if (entry && entry.src === 's') {
        process.stderr.write('S: ' + entry.msg + '\n');
    }
}

function sorted(flags) {
    return [...flags].filter(flag => flag !== '\\Recent').sort();
}

// Events go into the state from the first command on.
function listen(client, state) {
    client.on('expunge', event => {
        if (!event.vanished) {
            throw new Error('EXPUNGE after ENABLE QRESYNC');
        }
        delete state.rows[event.uid];
    });
    client.on('flags', event => {
        if (state.rows[event.uid]) {
            state.rows[event.uid][0] = sorted(event.flags);
        }
    });
}

async function fetchNew(client, state) {
    const first = Math.max(0, ...Object.keys(state.rows).map(Number)) + 1;
    const query = { uid: true, flags: true, source: true };
    for await (const message of client.fetch(`${first}:*`, query, { uid: true })) {
        const hash = crypto.createHash('sha256').update(message.source).digest('hex');
        state.rows[message.uid] = [sorted(message.flags), hash];
    }
}

async function idle(client) {
    const heard = new Promise((resolve, reject) => {
        const timer = setTimeout(() => reject(new Error('no ' + keyword)), seconds * 1000);
        client.on('flags', event => {
            if (event.flags.has(keyword)) {
                clearTimeout(timer);
                resolve();
            }
        });
    });
    const idling = client.idle();
    while (!client.idling) {
        await new Promise(resolve => setTimeout(resolve, 10));
    }
    process.stdout.write(JSON.stringify({ step: 'idling', seen: true }) + '\n');
    await heard;
    await client.noop();
    await idling;
}

async function main() {
    const state = fs.existsSync(path) ? JSON.parse(fs.readFileSync(path)) : { rows: {} };
    const client = new ImapFlow({
        host: 'localhost',
        port: Number(port),
        secure: Boolean(certificate),
        doSTARTTLS: false,
        tls: certificate ? { ca: fs.readFileSync(certificate) } : {},
        auth: { user, pass: password },
        qresync: true,
        disableAutoIdle: true,
        logger: { trace: log, debug: log, info: log, warn: log, error: log }
    });
    listen(client, state);
    await client.connect();
    const known = state.modseq ? { changedSince: BigInt(state.modseq), uidValidity: BigInt(state.validity) } : {};
    const opened = await client.mailboxOpen('INBOX', known);
    if (state.modseq && !opened.qresync) {
        throw new Error('no resynchronization');
    }
    await fetchNew(client, state);
    if (keyword) {
        await idle(client);
        await fetchNew(client, state);
    }
    state.validity = String(opened.uidValidity);
    state.modseq = String(opened.highestModseq);
    await client.logout();
    fs.writeFileSync(path, JSON.stringify(state));
}

main().catch(error => {
    console.error(error);
    process.exit(1);
});
