using System.Collections.Immutable;
using System.Runtime.Serialization;
using System.Security.Cryptography;
using Backprop.Training;
using Backprop.Training.Protocol;
using Google.Protobuf;
using Google.Protobuf.Collections;

namespace Backprop.Distributed.Serialization;

/// <summary>What coordinator and parameter servers tell each other, to the wire and back.</summary>
internal static class ServerMessages
{
    // Of the longest flat vector.
    private const int MaxBlocks = int.MaxValue / Engine.Networks.ParameterLayout.DefaultBlockLength;
    private const int MaxLayers = 65_536;

    public static Wire.ServerDirective ToWire(ServerDirective directive)
    {
        var message = new Wire.ServerDirective
        {
            Run = directive.Run.Value,
            Stamp = ProtocolParts.ToWire(directive.Stamp),
            Generation = directive.Generation.Value,
            Slice = directive.Slice,
            Origin = ToWire(directive.Origin),
            Lease = ProtocolParts.ToWire(directive.Lease),
            Closed = directive.Closed,
            KeepsCopies = directive.KeepsCopies,
        };
        message.Servers.Add(ProtocolParts.ToWire(directive.Servers));
        message.Workers.Add(ProtocolParts.ToWire(directive.Workers));
        if (directive.CheckpointVersion is { } checkpoint)
        {
            message.CheckpointVersion = checkpoint;
        }

        if (directive.BestVersion is { } best)
        {
            message.BestVersion = best;
        }

        return message;
    }

    public static ServerDirective FromWire(Wire.ServerDirective message) => new()
    {
        Run = ProtocolParts.Run(message.Run),
        Stamp = ProtocolParts.FromWire(message.Stamp),
        Generation = new Generation(message.Generation),
        Servers = ProtocolParts.Servers(message.Servers),
        Slice = message.Slice,
        Origin = FromWire(message.Origin),
        Workers = ProtocolParts.Workers(message.Workers),
        Lease = ProtocolParts.FromWire(message.Lease),
        CheckpointVersion = message.HasCheckpointVersion ? message.CheckpointVersion : null,
        BestVersion = message.HasBestVersion ? message.BestVersion : null,
        Closed = message.Closed,
        KeepsCopies = message.KeepsCopies,
    };

    public static Wire.ServerStatus ToWire(ServerStatus status)
    {
        var message = new Wire.ServerStatus
        {
            Run = status.Run.Value,
            Server = status.Server.Value,
            Generation = status.Generation.Value,
            Seen = ProtocolParts.ToWire(status.Seen),
            Number = status.Number,
            Slice = status.Slice,
            Phase = ToWire(status.Phase),
            Failure = status.Phase is SlicePhase.Failed failed
                ? WireChecks.ToReason(failed.Reason)
                : "",
            Version = status.Version,
            Wait = status.Wait is { } wait ? ToWire(wait) : null,
            Saved = status.Saved is { } saved ? ToWire(saved) : null,
            Lease = status.Lease is { } lease ? ToWire(lease) : null,
            NonFinite = status.NonFinite is { } stop ? ToWire(stop) : null,
            Lost = status.Lost is { } lost
                ? new Wire.LostCheckpoint
                {
                    Version = lost.Version,
                    Reason = WireChecks.ToReason(lost.Reason),
                    Cause = (Wire.CheckpointLoss)lost.Cause,
                }
                : null,
        };
        message.Copies.Add(status.Copies.Select(CopyMessages.ToWire));
        if (status.BestVersion is { } best)
        {
            message.BestVersion = best;
        }

        if (status.DamagedCheckpoint is { } damaged)
        {
            message.DamagedCheckpoint = damaged;
        }

        if (status.CopiesOff is { } off)
        {
            message.CopiesOff = WireChecks.ToReason(off);
        }

        return message;
    }

    public static ServerStatus FromWire(Wire.ServerStatus message) => new()
    {
        Run = ProtocolParts.Run(message.Run),
        Server = ProtocolParts.Node(message.Server),
        Generation = new Generation(message.Generation),
        Seen = ProtocolParts.FromWire(message.Seen),
        Number = message.Number,
        Slice = message.Slice,
        Phase = FromWire(message.Phase, message.Failure),
        Version = message.Version,
        Wait = message.Wait is { } wait ? FromWire(wait) : null,
        Saved = message.Saved is { } saved ? FromWire(saved) : null,
        DamagedCheckpoint = message.HasDamagedCheckpoint ? message.DamagedCheckpoint : null,
        BestVersion = message.HasBestVersion ? message.BestVersion : null,
        Lease = message.Lease is { } lease ? FromWire(lease) : null,
        NonFinite = message.NonFinite is { } stop ? FromWire(stop) : null,
        Lost = message.Lost is { } lost
            ? new LostCheckpoint(
                lost.Version, WireChecks.FromReason(lost.Reason),
                WireChecks.Enum<CheckpointLoss>((int)lost.Cause, "checkpoint loss"))
            : null,
        Copies = CopyMessages.Copies(message.Copies),
        CopiesOff = message.HasCopiesOff ? WireChecks.FromReason(message.CopiesOff) : null,
    };

    public static Wire.CheckpointPart ToWire(CheckpointPart part) => new()
    {
        FirstBlock = part.FirstBlock,
        EndBlock = part.EndBlock,
        Sha256 = ByteString.CopyFrom(Convert.FromHexString(part.Sha256)),
    };

    public static CheckpointPart FromWire(Wire.CheckpointPart part)
    {
        if (part.FirstBlock < 0 || part.EndBlock <= part.FirstBlock || part.EndBlock > MaxBlocks
            || part.Sha256.Length != SHA256.HashSizeInBytes)
        {
            throw new SerializationException(
                $"blocks from {part.FirstBlock} to {part.EndBlock} with a digest of"
                + $" {part.Sha256.Length} bytes are no part of a checkpoint");
        }

        return new CheckpointPart(
            part.FirstBlock, part.EndBlock, Convert.ToHexStringLower(part.Sha256.Span));
    }

    public static ImmutableArray<CheckpointPart> Parts(
        RepeatedField<Wire.CheckpointPart> parts) =>
        WireChecks.List(parts, MaxBlocks, "parts of a checkpoint", FromWire);

    public static Wire.LayerNorms ToWire(LayerNorms norms) => new()
    {
        Layer = norms.Layer,
        GradientNorm = norms.GradientNorm,
        WeightNorm = norms.WeightNorm,
    };

    public static ImmutableArray<LayerNorms> Layers(RepeatedField<Wire.LayerNorms> layers) =>
        WireChecks.List(layers, MaxLayers, "layers", norms => new LayerNorms(
            WireChecks.Name(norms.Layer, "a layer's name"), norms.GradientNorm,
            norms.WeightNorm));

    private static Wire.SliceOrigin ToWire(SliceOrigin origin)
    {
        var message = new Wire.SliceOrigin();
        if (origin is SliceOrigin.Checkpoint checkpoint)
        {
            message.Checkpoint = new Wire.CheckpointOrigin
            {
                Saved = checkpoint.Saved,
                EpochLossSum = checkpoint.EpochLossSum,
            };
            if (checkpoint.BestVersion is { } best)
            {
                message.Checkpoint.BestVersion = best;
            }
        }
        else if (origin is SliceOrigin.Memory copies)
        {
            message.Memory = CopyMessages.ToWire(copies);
        }

        return message;
    }

    private static SliceOrigin FromWire(Wire.SliceOrigin? origin) =>
        WireChecks.Required(origin, "a slice's origin") switch
        {
            { Checkpoint: { } checkpoint } => new SliceOrigin.Checkpoint(
                checkpoint.Saved,
                checkpoint.HasBestVersion ? checkpoint.BestVersion : null,
                checkpoint.EpochLossSum),
            { Memory: { } copies } => CopyMessages.FromWire(copies),
            _ => new SliceOrigin.FirstWeights(),
        };

    private static Wire.SlicePhase ToWire(SlicePhase phase) => phase switch
    {
        SlicePhase.Opening => Wire.SlicePhase.Opening,
        SlicePhase.Open => Wire.SlicePhase.Open,
        SlicePhase.Failed => Wire.SlicePhase.Failed,
        SlicePhase.Closed => Wire.SlicePhase.Closed,
        _ => throw new ArgumentException($"unknown phase {phase}"),
    };

    private static SlicePhase FromWire(Wire.SlicePhase phase, string failure) => phase switch
    {
        Wire.SlicePhase.Opening => new SlicePhase.Opening(),
        Wire.SlicePhase.Open => new SlicePhase.Open(),
        Wire.SlicePhase.Failed => new SlicePhase.Failed(WireChecks.FromReason(failure)),
        Wire.SlicePhase.Closed => new SlicePhase.Closed(),
        _ => throw new SerializationException($"a slice has no phase {phase}"),
    };

    private static Wire.SliceWait ToWire(SliceWait wait)
    {
        var message = new Wire.SliceWait { Step = wait.Step, WaitedTicks = wait.Waited.Ticks };
        message.Missing.Add(wait.Missing.Select(ProtocolParts.ToWire));
        message.SlicesWithoutSums.Add(wait.SlicesWithoutSums);
        return message;
    }

    private static SliceWait FromWire(Wire.SliceWait wait) => new(
        wait.Step, ProtocolParts.FromWire(wait.Missing),
        WireChecks.List(wait.SlicesWithoutSums, MaxBlocks, "slices"),
        new TimeSpan(wait.WaitedTicks));

    private static Wire.SavedSlice ToWire(SavedSlice saved)
    {
        var message = new Wire.SavedSlice { Version = saved.Version };
        message.Parts.Add(saved.Parts.Select(ToWire));
        if (saved.BestVersion is { } best)
        {
            message.BestVersion = best;
        }

        if (saved.EpochLossSum is { } lossSum)
        {
            message.EpochLossSum = lossSum;
        }

        return message;
    }

    private static SavedSlice FromWire(Wire.SavedSlice saved) => new(
        saved.Version, saved.HasBestVersion ? saved.BestVersion : null,
        saved.HasEpochLossSum ? saved.EpochLossSum : null,
        Parts(saved.Parts));

    private static Wire.LeaseSummary ToWire(LeaseSummary summary)
    {
        var message = new Wire.LeaseSummary
        {
            Version = summary.Version,
            LossSum = summary.LossSum,
        };
        message.Layers.Add(summary.Layers.Select(ToWire));
        return message;
    }

    private static LeaseSummary FromWire(Wire.LeaseSummary summary) => new(
        summary.Version, summary.LossSum,
        Layers(summary.Layers));

    public static Wire.NonFiniteStop ToWire(NonFiniteStop stop) => new()
    {
        Step = stop.Step,
        What = WireChecks.ToReason(stop.What),
        LastGoodVersion = stop.LastGoodVersion,
    };

    public static NonFiniteStop FromWire(Wire.NonFiniteStop stop) =>
        new(stop.Step, WireChecks.FromReason(stop.What), stop.LastGoodVersion);
}
