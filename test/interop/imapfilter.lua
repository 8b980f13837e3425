-- Sorts a mailbox with imapfilter, and prints what its searches found.

options.timeout = 60
options.certificates = false
options.starttls = os.getenv('STARTTLS') == 'yes'
options.create = true
options.subscribe = true
options.info = false

account = IMAP {
    server = 'localhost',
    port = tonumber(os.getenv('PORT')),
    username = os.getenv('NAME'),
    password = os.getenv('PASSWORD'),
    ssl = os.getenv('TLS')
}

function say(name, results)
    print('found ' .. name .. ' ' .. #results)
end

inbox = account.INBOX
say('all', inbox:select_all())
say('unseen', inbox:is_unseen())
say('report', inbox:contain_subject('report'))
say('body', inbox:contain_body('needle'))
say('from', inbox:contain_from('shop@'))
say('large', inbox:is_larger(2000))
say('small', inbox:is_smaller(2000))
say('field', inbox:contain_field('X-Kind', 'bulk'))
say('since', inbox:sent_since('01-Jan-2020'))
say('recent', inbox:arrived_since(form_date(2)))
say('query', inbox:send_query('OR SUBJECT report FROM shop@'))
say('both', inbox:contain_subject('report') * inbox:is_larger(2000))
say('matched', inbox:match_subject('^report [12]$'))

account:create_mailbox('Sorted')
inbox:contain_subject('report'):move_messages(account.Sorted)
inbox:contain_from('shop@'):copy_messages(account.Offers)
inbox:contain_from('shop@'):mark_flagged()
inbox:contain_from('shop@'):add_flags({ 'Offer' })
inbox:contain_field('X-Kind', 'bulk'):delete_messages()
say('flagged', inbox:is_flagged())
say('keyword', inbox:has_keyword('Offer'))

account.Sorted:append_message('Subject: appended\r\n\r\nText\r\n', { '\\Seen' })
exist, recent, unseen = account.Sorted:check_status()
print('found sorted ' .. exist)

account:rename_mailbox('Sorted', 'Kept')
account:create_mailbox('Gone')
account:subscribe_mailbox('Gone')
account:unsubscribe_mailbox('Gone')
account:delete_mailbox('Gone')

mailboxes, folders = account:list_all()
table.sort(mailboxes)
print('mailboxes ' .. table.concat(mailboxes, ','))
mailboxes, folders = account:list_subscribed()
table.sort(mailboxes)
print('subscribed ' .. table.concat(mailboxes, ','))
