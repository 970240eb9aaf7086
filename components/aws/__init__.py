"""The AWS half of a stack: network, cluster, pools, identities and the bucket for weights."""
