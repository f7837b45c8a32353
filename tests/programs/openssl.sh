# needs: openssl
head -c 100000 /dev/zero > plain
openssl enc -aes-256-ctr -pbkdf2 -pass pass:secret -S 0123456789abcdef -in plain -out coded && openssl dgst -sha256 coded
openssl enc -d -aes-256-ctr -pbkdf2 -pass pass:secret -S 0123456789abcdef -in coded | cmp - plain && echo same
openssl genpkey -algorithm ED25519 -out key 2> /dev/null && openssl pkey -in key -pubout -out public
openssl pkeyutl -sign -rawin -inkey key -in coded -out signed && openssl pkeyutl -verify -rawin -pubin -inkey public -in coded -sigfile signed
openssl req -x509 -key key -subj /CN=localhost -days 1 -out certificate
: > server
openssl s_server -key key -cert certificate -accept 127.0.0.1:0 -www > server 2>&1 & server=$!
for i in $(seq 1000); do port=$(sed -n 's/^ACCEPT .*:\([0-9]*\)$/\1/p' server); [ -n "$port" ] && break; sleep 0.05; done
echo | openssl s_client -connect "127.0.0.1:$port" -CAfile certificate -verify_return_error 2> /dev/null | grep -E '^(Verify return code|subject=|New, )' | sort -u
kill $server; wait $server 2> /dev/null; echo $?
openssl speed -seconds 1 -bytes 1024 -multi 2 sha256 2> /dev/null | grep -c '^sha256'
