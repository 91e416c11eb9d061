using System.Collections.Immutable;
using System.Runtime.Serialization;
using System.Security.Cryptography;
using Backprop.Distributed.Nodes;
using Backprop.Engine.Schedules;
using Backprop.Training;
using Backprop.Training.Metrics;
using Backprop.Training.Protocol;
using Backprop.Training.Protocol.Coordination;
using Backprop.Training.Stopping;
using Google.Protobuf;
using Google.Protobuf.Collections;

namespace Backprop.Distributed.Serialization;

/// <summary>What training comes to, to the wire and back.</summary>
internal static class ResultMessages
{
    /// <summary>Epochs' reports in one message.</summary>
    public const int MaxEpochs = 1 << 20;

    /// <summary>The most outputs of a network, and targets of a sample.</summary>
    public const int MaxOutputs = Engine.Networks.Network.MaxOutputs;

    private const int MaxNotes = 1_000;
    private const int MaxClasses = 65_536;
    private const int MaxConfusion = 1 << 22;

    public static Wire.EpochReport ToWire(EpochReport report)
    {
        var message = new Wire.EpochReport
        {
            Epoch = report.Epoch,
            StepsDone = report.StepsDone,
            TrainingLoss = report.TrainingLoss,
            Validation = report.Validation is { } metrics ? ToWire(metrics) : null,
            LearningRate = report.LearningRate,
            Metric = report.Metric,
            IsBest = report.IsBest,
            Reason = WireChecks.ToReason(report.Reason),
        };
        message.Layers.Add(report.Layers.Select(ServerMessages.ToWire));
        return message;
    }

    public static EpochReport FromWire(Wire.EpochReport? message)
    {
        message = WireChecks.Required(message, "an epoch's report");
        return new EpochReport
        {
            Epoch = message.Epoch,
            StepsDone = message.StepsDone,
            TrainingLoss = message.TrainingLoss,
            Validation = message.Validation is { } metrics ? FromWire(metrics) : null,
            Layers = ServerMessages.Layers(message.Layers),
            LearningRate = message.LearningRate,
            Metric = message.Metric,
            IsBest = message.IsBest,
            Reason = WireChecks.FromReason(message.Reason),
        };
    }

    public static Wire.EvaluationMetrics ToWire(EvaluationMetrics metrics)
    {
        var message = new Wire.EvaluationMetrics { Rows = metrics.Rows, Loss = metrics.Loss };
        if (metrics.Classification is { } classes)
        {
            message.Classification =
                new Wire.ClassificationMetrics { Accuracy = classes.Accuracy };
            message.Classification.Confusion.Add(classes.Confusion.Counts);
            message.Classification.Classes.Add(classes.Classes.Select(
                scores => new Wire.ClassScores
                {
                    Name = scores.Name,
                    Support = scores.Support,
                    Precision = scores.Precision,
                    Recall = scores.Recall,
                    F1 = scores.F1,
                }));
        }

        if (metrics.Regression is { } values)
        {
            message.Regression = new Wire.RegressionMetrics
            {
                R2 = values.R2,
                MeanAbsoluteError = values.MeanAbsoluteError,
                RootMeanSquaredError = values.RootMeanSquaredError,
            };
            message.Regression.Targets.Add(values.Targets.Select(
                scores => new Wire.TargetScores
                {
                    Name = scores.Name,
                    R2 = scores.R2,
                    MeanAbsoluteError = scores.MeanAbsoluteError,
                    RootMeanSquaredError = scores.RootMeanSquaredError,
                }));
        }

        message.Outputs.Add((metrics.Outputs ?? []).Select(
            output => new Wire.OutputMetrics
            {
                Name = output.Name,
                Metrics = ToWire(output.Metrics),
            }));
        return message;
    }

    public static EvaluationMetrics FromWire(Wire.EvaluationMetrics message) =>
        FromWireAlone(message) with
        {
            Outputs = message.Outputs.Count == 0
                ? null
                : WireChecks.List(
                    message.Outputs, MaxOutputs, "outputs", output => new OutputMetrics(
                        WireChecks.Text(output.Name, "an output's name"),
                        FromWireAlone(WireChecks.Required(output.Metrics, "an output's metrics")))),
        };

    private static EvaluationMetrics FromWireAlone(Wire.EvaluationMetrics message) => new()
    {
        Rows = message.Rows,
        Loss = message.Loss,
        Classification = message.Classification is { } classes ? FromWire(classes) : null,
        Regression = message.Regression is { } values
            ? new RegressionMetrics
            {
                R2 = values.R2,
                MeanAbsoluteError = values.MeanAbsoluteError,
                RootMeanSquaredError = values.RootMeanSquaredError,
                Targets = WireChecks.List(
                    values.Targets, MaxClasses, "targets", scores => new TargetScores(
                        WireChecks.Text(scores.Name, "a target's name"), scores.R2,
                        scores.MeanAbsoluteError, scores.RootMeanSquaredError)),
            }
            : null,
    };

    public static Wire.StopDecision ToWire(StopDecision stop) => new()
    {
        Kind = (Wire.StopKind)(1 + (int)stop.Kind),
        Reason = WireChecks.ToReason(stop.Reason),
    };

    public static StopDecision FromWire(Wire.StopDecision? stop)
    {
        stop = WireChecks.Required(stop, "why the run ends");
        return new StopDecision(
            WireChecks.Enum<StopKind>((int)stop.Kind - 1, "reason to stop"),
            WireChecks.FromReason(stop.Reason));
    }

    public static Wire.StoppingState ToWire(StoppingState state)
    {
        var message = new Wire.StoppingState { EpochsWaited = state.EpochsWaited };
        if (state.BestMetric is { } metric)
        {
            message.BestMetric = metric;
        }

        if (state.BestEpoch is { } epoch)
        {
            message.BestEpoch = epoch;
        }

        if (state.Reference is { } reference)
        {
            message.Reference = reference;
        }

        return message;
    }

    public static StoppingState FromWire(Wire.StoppingState? state)
    {
        state = WireChecks.Required(state, "what early stopping remembers");
        return new StoppingState(
            state.HasBestMetric ? state.BestMetric : null,
            state.HasBestEpoch ? state.BestEpoch : null,
            state.HasReference ? state.Reference : null, state.EpochsWaited);
    }

    public static Wire.PlateauState ToWire(PlateauState state)
    {
        var message = new Wire.PlateauState
        {
            EvaluationsWithoutImprovement = state.EvaluationsWithoutImprovement,
            CooldownLeft = state.CooldownLeft,
            Reductions = state.Reductions,
        };
        if (state.Best is { } best)
        {
            message.Best = best;
        }

        return message;
    }

    public static PlateauState FromWire(Wire.PlateauState? state)
    {
        state = WireChecks.Required(state, "what is known of a plateau");
        return new PlateauState
        {
            Best = state.HasBest ? state.Best : null,
            EvaluationsWithoutImprovement = state.EvaluationsWithoutImprovement,
            CooldownLeft = state.CooldownLeft,
            Reductions = state.Reductions,
        };
    }

    /// <summary>Without the epochs' reports.</summary>
    public static Wire.TrainingPosition ToWire(TrainingPosition position)
    {
        var message = new Wire.TrainingPosition
        {
            Step = position.Step,
            EpochLossSum = position.EpochLossSum,
            EpochRows = position.EpochRows,
            RunRows = position.RunRows,
            Stopping = ToWire(position.Stopping),
            Plateau = ToWire(position.Plateau),
            ElapsedTicks = position.Elapsed.Ticks,
            Ended = position.Ended is { } ended ? ToWire(ended) : null,
        };
        message.Notes.Add(position.Notes.Select(WireChecks.ToReason));
        return message;
    }

    public static TrainingPosition FromWire(Wire.TrainingPosition? message)
    {
        message = WireChecks.Required(message, "where the run stands");
        return new TrainingPosition
        {
            Step = message.Step,
            EpochLossSum = message.EpochLossSum,
            EpochRows = message.EpochRows,
            RunRows = message.RunRows,
            Stopping = FromWire(message.Stopping),
            Plateau = FromWire(message.Plateau),
            Notes = Notes(message.Notes),
            Elapsed = new TimeSpan(message.ElapsedTicks),
            Ended = message.Ended is { } ended ? FromWire(ended) : null,
        };
    }

    public static Wire.CheckpointManifest ToWire(CheckpointManifest manifest)
    {
        var message = new Wire.CheckpointManifest { Position = ToWire(manifest.Position) };
        message.Parts.Add(manifest.Parts.Select(ServerMessages.ToWire));
        if (manifest.BestVersion is { } best)
        {
            message.BestVersion = best;
        }

        return message;
    }

    public static CheckpointManifest FromWire(Wire.CheckpointManifest? message)
    {
        message = WireChecks.Required(message, "a checkpoint's manifest");
        return new CheckpointManifest(
            FromWire(message.Position), message.HasBestVersion ? message.BestVersion : null,
            ServerMessages.Parts(message.Parts));
    }

    /// <summary>Without the epochs' reports.</summary>
    public static Wire.TrainingResult ToWire(TrainingResult result)
    {
        var message = new Wire.TrainingResult
        {
            Name = result.Name,
            Steps = result.Steps,
            Epochs = result.Epochs,
            Stop = ToWire(result.Stop),
            FinalIsBest = result.FinalIsBest,
            Validation = result.Validation is { } validation ? ToWire(validation) : null,
            Test = result.Test is { } test ? ToWire(test) : null,
            ElapsedTicks = result.Elapsed.Ticks,
            SamplesPerSecond = result.SamplesPerSecond,
            WeightsSha256 = ToWire(result.WeightsSha256),
            StateSha256 = ToWire(result.StateSha256),
        };
        message.Notes.Add(result.Notes.Select(WireChecks.ToReason));
        if (result.BestMetric is { } metric)
        {
            message.BestMetric = metric;
        }

        if (result.BestEpoch is { } epoch)
        {
            message.BestEpoch = epoch;
        }

        return message;
    }

    public static TrainingResult FromWire(Wire.TrainingResult? message)
    {
        message = WireChecks.Required(message, "a run's result");
        return new TrainingResult
        {
            Name = WireChecks.Text(message.Name, "a run's name"),
            Steps = message.Steps,
            Epochs = message.Epochs,
            Stop = FromWire(message.Stop),
            History = [],
            BestMetric = message.HasBestMetric ? message.BestMetric : null,
            BestEpoch = message.HasBestEpoch ? message.BestEpoch : null,
            FinalIsBest = message.FinalIsBest,
            Validation = message.Validation is { } validation ? FromWire(validation) : null,
            Test = message.Test is { } test ? FromWire(test) : null,
            Elapsed = new TimeSpan(message.ElapsedTicks),
            SamplesPerSecond = message.SamplesPerSecond,
            WeightsSha256 = FromWire(message.WeightsSha256),
            StateSha256 = FromWire(message.StateSha256),
            Notes = Notes(message.Notes),
        };
    }

    public static Wire.StoredFile ToWire(StoredFile file) => new()
    {
        Place = file.Place,
        Bytes = file.Bytes,
        Sha256 = ToWire(file.Sha256),
    };

    public static StoredFile FromWire(Wire.StoredFile? file)
    {
        file = WireChecks.Required(file, "a stored file");
        return file.Bytes >= 0
            ? new StoredFile(
                WireChecks.Name(file.Place, "a file's place"), file.Bytes, FromWire(file.Sha256))
            : throw new SerializationException($"a file of {file.Bytes} bytes");
    }

    /// <summary>A SHA-256 from its hexadecimal digits.</summary>
    public static ByteString ToWire(string sha256) =>
        ByteString.CopyFrom(Convert.FromHexString(sha256));

    /// <summary>The hexadecimal digits of a SHA-256.</summary>
    public static string FromWire(ByteString sha256) =>
        sha256.Length == SHA256.HashSizeInBytes
            ? Convert.ToHexStringLower(sha256.Span)
            : throw new SerializationException($"a digest of {sha256.Length} bytes");

    public static ImmutableArray<string> Notes(RepeatedField<string> notes) =>
        WireChecks.List(notes, MaxNotes, "notes", WireChecks.FromReason);

    private static ClassificationMetrics FromWire(Wire.ClassificationMetrics message)
    {
        ImmutableArray<ClassScores> classes = WireChecks.List(
            message.Classes, MaxClasses, "classes", scores => new ClassScores(
                WireChecks.Text(scores.Name, "a class's name"), scores.Support, scores.Precision,
                scores.Recall, scores.F1));
        ImmutableArray<long> confusion = WireChecks.List(
            message.Confusion, MaxConfusion, "entries of a confusion matrix");
        return confusion.Length == (long)classes.Length * classes.Length
            ? new ClassificationMetrics
            {
                Accuracy = message.Accuracy,
                Classes = classes,
                Confusion = new ConfusionMatrix(
                    [.. classes.Select(scores => scores.Name)], confusion),
            }
            : throw new SerializationException(
                $"a confusion matrix of {confusion.Length:N0} entries for {classes.Length:N0}"
                + " classes");
    }
}
