-- Writes each message of INBOX into a file named by its UID: a line of flags, and the message.
-- Then it waits in IDLE for a first change, and for a file "changed", and writes them again.

options.timeout = 60
options.certificates = false
options.starttls = false
options.info = false
-- What was fetched once is fetched again.
options.cache = false

account = IMAP {
    server = 'localhost',
    port = tonumber(os.getenv('PORT')),
    username = os.getenv('NAME'),
    password = os.getenv('PASSWORD')
}
inbox = account.INBOX

function step(name)
    print('{"step": "' .. name .. '", "seen": true}')
    io.stdout:flush()
end

function show()
    os.execute('rm -rf shown && mkdir shown')
    for _, message in ipairs(inbox:select_all()) do
        local mailbox, uid = table.unpack(message)
        local file = io.open('shown/' .. uid, 'w')
        file:write(table.concat(mailbox[uid]:fetch_flags(), ' ') .. '\n' .. mailbox[uid]:fetch_message())
        file:close()
    end
end

show()
step('shown')
step('idling')
if not inbox:enter_idle() then
    error('no IDLE')
end
while not io.open('changed') do
    os.execute('sleep 0.05')
end
show()
