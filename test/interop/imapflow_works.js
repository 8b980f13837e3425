// Works in an account with imapflow and prints what it saw as JSON, one line for each step.
// After the lines "idling", "exists" and "flags" it waits for a new message, a flag and an expunge from outside.
'use strict';

const fs = require('fs');
const { ImapFlow } = require(process.argv[2] + '/node_modules/imapflow');

const [port, user, password, certificate] = process.argv.slice(3);
const seconds = 30;

function say(step, seen) {
    process.stdout.write(JSON.stringify({ step, seen }) + '\n');
}

// What the server says goes to standard error.
function log(entry) {
    if (entry && entry.src === 's') {
        process.stderr.write('S: ' + entry.msg + '\n');
    }
}

function event(client, name) {
    return new Promise((resolve, reject) => {
        const timer = setTimeout(() => reject(new Error('no event ' + name)), seconds * 1000);
        client.once(name, data => {
            clearTimeout(timer);
            resolve(data);
        });
    });
}

async function subjects(client, range, options) {
    const found = [];
    for await (const message of client.fetch(range, { uid: true, envelope: true, flags: true }, options)) {
        found.push(message.envelope.subject);
    }
    return found;
}

async function mailboxes(client) {
    await client.mailboxCreate('Work');
    await client.mailboxCreate(['Work', 'Reports']);
    await client.mailboxCreate('Old');
    await client.mailboxRename('Old', 'Older');
    await client.mailboxSubscribe('Older');
    const list = await client.list({ statusQuery: { messages: true } });
    const use = {};
    for (const entry of list.filter(entry => entry.specialUse)) {
        use[entry.specialUse] = entry.path;
    }
    say('mailboxes', { paths: list.map(entry => entry.path).sort(), use });
    await client.mailboxDelete('Older');
    say('namespace', client.namespace);
}

async function messages(client) {
    const lock = await client.getMailboxLock('INBOX');
    try {
        say('all', await subjects(client, '1:*'));
        say('search', await client.search({ subject: 'report', seen: false }));
        say('or', await client.search({ or: [{ from: 'shop@' }, { body: 'needle' }] }));
        say('since', (await client.search({ sentSince: new Date('2020-01-01'), larger: 10 })).length);
        const reports = await client.search({ subject: 'report' }, { uid: true });
        const moved = await client.messageMove(reports, 'Work/Reports', { uid: true });
        say('moved', [...moved.uidMap.keys()]);
        const copied = await client.messageCopy({ from: 'shop@' }, 'Work');
        say('copied', [...copied.uidMap.keys()]);
        await client.messageFlagsAdd({ from: 'shop@' }, ['\\Flagged', 'Offer']);
        say('keyword', (await client.search({ keyword: 'Offer', flagged: true })).length);
        await client.messageDelete({ subject: 'news' });
        say('left', await subjects(client, '1:*'));
    } finally {
        lock.release();
    }
    const appended = await client.append('Work', 'Subject: appended\r\n\r\nText\r\n', ['\\Seen'], new Date('2026-11-02'));
    say('appended', appended.uid > 0);
    say('status', await client.status('Work', { messages: true, unseen: true, uidNext: true }));
}

async function idle(client) {
    const lock = await client.getMailboxLock('INBOX');
    try {
        const idling = client.idle();
        const exists = event(client, 'exists');
        while (!client.idling) {
            await new Promise(resolve => setTimeout(resolve, 10));
        }
        say('idling', true);
        const count = (await exists).count;
        const flags = event(client, 'flags');
        say('exists', count);
        const flagged = (await flags).flags;
        const expunge = event(client, 'expunge');
        say('flags', [...flagged].filter(flag => flag !== '\\Recent'));
        say('expunge', (await expunge).seq);
        await client.noop();
        await idling;
    } finally {
        lock.release();
    }
}

async function main() {
    const client = new ImapFlow({
        host: 'localhost',
        port: Number(port),
        secure: Boolean(certificate),
        doSTARTTLS: false,
        tls: certificate ? { ca: fs.readFileSync(certificate) } : {},
        auth: { user, pass: password },
        disableAutoIdle: true,
        logger: { trace: log, debug: log, info: log, warn: log, error: log }
    });
    await client.connect();
    await mailboxes(client);
    await messages(client);
    await idle(client);
    await client.logout();
}

main().catch(error => {
    console.error(error);
    process.exit(1);
});
