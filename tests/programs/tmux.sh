# needs: tmux
export TMUX_TMPDIR="$PWD"
tmux -f /dev/null new-session -d -x 80 -y 24 'echo in the pane; exec cat'
for i in $(seq 1000); do tmux capture-pane -p | grep -q 'in the pane' && break; sleep 0.05; done
tmux send-keys typed Enter
for i in $(seq 1000); do [ "$(tmux capture-pane -p | grep -c typed)" -ge 2 ] && break; sleep 0.05; done
tmux capture-pane -p | head -3
tmux list-windows -F '#{window_index} #{pane_width}'
tmux kill-server; echo $?
