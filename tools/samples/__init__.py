"""The sample shop and the mails that its customers write; read `shop`, then `mails`."""
