# needs: borg
# heavy: yes
export BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK=yes BORG_BASE_DIR="$PWD/base"
seq 100000 > file; borg init -e none kept && borg create kept::first file && borg check kept && mkdir out && cd out && borg extract ../kept::first && cmp file ../file && echo same
cd ..; rm -rf base kept
