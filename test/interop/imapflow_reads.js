// Reads the newest message of INBOX with imapflow and prints what it saw as JSON.
'use strict';

const { ImapFlow } = require(process.argv[2] + '/node_modules/imapflow');

const [port, user, password] = process.argv.slice(3);

async function main() {
    const client = new ImapFlow({
        host: '127.0.0.1',
        port: Number(port),
        secure: false,
        tls: { rejectUnauthorized: false },
        auth: { user, pass: password },
        logger: false
    });
    await client.connect();
    const lock = await client.getMailboxLock('INBOX');
    const seen = {};
    try {
        const message = await client.fetchOne('*', {
            uid: true, flags: true, size: true, envelope: true, bodyStructure: true, source: true
        });
        seen.source = message.source.toString('latin1');
        seen.size = message.size;
        seen.subject = message.envelope.subject;
        seen.type = message.bodyStructure.type;
        await client.messageFlagsAdd('*', ['\\Flagged']);
        seen.flags = [...(await client.fetchOne('*', { flags: true })).flags];
        const download = await client.download('*');
        let downloaded = 0;
        for await (const chunk of download.content) {
            downloaded += chunk.length;
        }
        seen.downloaded = downloaded;
        await client.append('Drafts', 'Subject: draft\r\n\r\nText\r\n', ['\\Draft']);
        seen.folders = (await client.list()).map(folder => folder.path);
        seen.drafts = (await client.status('Drafts', { messages: true })).messages;
    } finally {
        lock.release();
    }
    await client.logout();
    process.stdout.write(JSON.stringify(seen) + '\n');
}

main().catch(error => {
    console.error(error);
    process.exit(1);
});
