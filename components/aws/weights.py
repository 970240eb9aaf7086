"""The component of the bucket for weights."""

from dataclasses import dataclass

import pulumi
from pulumi_aws import s3

from components.aws import iam_documents
from components.aws.spec import BucketSpec


@dataclass(frozen=True, kw_only=True)
class WeightsArgs:
    """What the bucket is like."""

    spec: BucketSpec


class Weights(pulumi.ComponentResource):
    """A bucket for weights: versioned, encrypted, closed to the public, over TLS only.

    Type token: llmserve:aws:Weights. Creates the bucket and its settings; old versions and broken uploads go
    after a while. Protects the bucket, if asked; it is never emptied by Pulumi.
    """

    name: pulumi.Output[str]
    arn: pulumi.Output[str]

    def __init__(self, name: str, args: WeightsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("llmserve:aws:Weights", name, None, opts)
        spec = args.spec
        child = pulumi.ResourceOptions(parent=self)
        bucket = s3.Bucket(
            name,
            bucket=spec.name,  # stack files and uploads know it by this name
            force_destroy=False,
            opts=pulumi.ResourceOptions(parent=self, protect=spec.protect),
        )
        closed = s3.BucketPublicAccessBlock(
            name,
            bucket=bucket.id,
            block_public_acls=True,
            block_public_policy=True,
            ignore_public_acls=True,
            restrict_public_buckets=True,
            opts=child,
        )
        s3.BucketOwnershipControls(
            name, bucket=bucket.id, rule={"object_ownership": "BucketOwnerEnforced"}, opts=child
        )
        s3.BucketServerSideEncryptionConfiguration(
            name,
            bucket=bucket.id,
            rules=[
                {
                    "apply_server_side_encryption_by_default": {
                        "sse_algorithm": "aws:kms" if spec.kms_key_arn else "AES256",
                        "kms_master_key_id": spec.kms_key_arn,
                    },
                    "bucket_key_enabled": spec.kms_key_arn is not None,
                }
            ],
            opts=child,
        )
        versioning = s3.BucketVersioning(
            name, bucket=bucket.id, versioning_configuration={"status": "Enabled"}, opts=child
        )
        s3.BucketLifecycleConfiguration(
            name,
            bucket=bucket.id,
            rules=[
                {
                    "id": "old-versions",
                    "status": "Enabled",
                    "filter": {"prefix": ""},
                    "noncurrent_version_expiration": {"noncurrent_days": spec.old_versions_days},
                    "abort_incomplete_multipart_upload": {"days_after_initiation": 7},
                }
            ],
            opts=pulumi.ResourceOptions(parent=self, depends_on=[versioning]),
        )
        s3.BucketPolicy(
            name,
            bucket=bucket.id,
            policy=pulumi.Output.json_dumps(bucket.arn.apply(iam_documents.tls_only)),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[closed]),  # the two cannot be set at once
        )
        self.name, self.arn = bucket.bucket, bucket.arn
        self.register_outputs({"name": self.name, "arn": self.arn})
