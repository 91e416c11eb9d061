using System.Collections.Immutable;
using System.Text.Json.Serialization;
using Backprop.Console.Api.Access;
using Backprop.Data;
using Backprop.Distributed.Coordination;
using Backprop.Distributed.Nodes;
using Backprop.Engine;
using Backprop.Models;
using Backprop.Training.Checkpoints;
using Backprop.Training.Protocol;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace Backprop.Console.Api;

/// <summary>A sample to predict from: one of the two.</summary>
/// <param name="Features">Its numbers, as many as the network has inputs, before any preparation.
/// </param>
/// <param name="Csv">A row of a table as the one trained on, with its head where that had one.
/// </param>
internal sealed record PredictionRequest(ImmutableArray<double>? Features, string? Csv);

/// <summary>What a network makes of a sample.</summary>
/// <param name="Class">The class it is taken for; null: the network gives values.</param>
/// <param name="Probability">How probable; null: it has no probabilities.</param>
/// <param name="Values">Every class's probability, or every value in its own unit.</param>
internal sealed record PredictionAnswer(
    string? Class, double? Probability, ImmutableArray<NamedNumber> Values)
{
    /// <summary>What each of the network's named outputs says, by its name; the rest is then empty.
    /// Null: it has one, without a name.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyDictionary<string, PredictionAnswer>? Outputs { get; init; }

    public static PredictionAnswer Of(Prediction predicted) => new(
        predicted.Class, predicted.Probability,
        [.. predicted.Values.Select(value => new NamedNumber(value.Name, value.Value))])
    {
        Outputs = predicted.Outputs.IsEmpty
            ? null
            : predicted.Outputs.ToDictionary(
                output => output.Name, output => Of(output.Prediction)),
    };
}

/// <summary>A number with a name.</summary>
internal sealed record NamedNumber(string Name, double Value);

/// <summary>What a run's network takes.</summary>
/// <param name="Shape">The shape of a sample's features: <c>[1, 8, 8]</c>, channels first.</param>
/// <param name="FeatureNames">Their names; empty: they have none.</param>
/// <param name="TargetNames">The classes, or the values; empty: its outputs are named.</param>
internal sealed record PredictionInput(
    ImmutableArray<int> Shape, ImmutableArray<string> FeatureNames,
    ImmutableArray<string> TargetNames)
{
    /// <summary>The classes, or the values, of each named output; null: it has one, without a name.
    /// </summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyDictionary<string, ImmutableArray<string>>? Outputs { get; init; }
}

/// <summary>The routes that try a run's trained network.</summary>
internal static class PredictionRoutes
{
    public static void Map(RouteGroupBuilder runs, ApiBackend backend)
    {
        runs.MapGet("{id}/predict", (string id, CancellationToken cancellation) =>
                ApiAnswers.WithRun(id, run => WithModelAsync(
                    backend, run, (model, shape) => new PredictionInput(
                        shape.Dimensions, model.Header.FeatureNames, model.TargetNames)
                    {
                        Outputs = model.Header.Outputs?.ToDictionary(
                            output => output.Name, output => output.TargetNames),
                    },
                    cancellation)))
            .WithName("ShowPredictionInput").WithSummary("What a run's trained network takes")
            .Produces<PredictionInput>().Describes(
                StatusCodes.Status404NotFound, StatusCodes.Status409Conflict,
                StatusCodes.Status503ServiceUnavailable);
        Reading.Mark(runs.MapPost("{id}/predict", (
                string id, PredictionRequest request, CancellationToken cancellation) =>
                ApiAnswers.WithRun(id, run => WithModelAsync(
                    backend, run, (model, shape) => Predict(run, model, shape, request),
                    cancellation))))
            .WithName("Predict").WithSummary("What a run's trained network makes of a sample")
            .Produces<PredictionAnswer>().Describes(
                StatusCodes.Status400BadRequest, StatusCodes.Status404NotFound,
                StatusCodes.Status409Conflict, StatusCodes.Status503ServiceUnavailable);
    }

    private static Task<IResult> WithModelAsync<T>(
        ApiBackend backend, RunId run, Func<Model, Shape, T> use,
        CancellationToken cancellation) => ApiAnswers.WithModel(
        backend, run, stored => UseAsync(backend, run, stored, use, cancellation), cancellation);

    private static async Task<IResult> UseAsync<T>(
        ApiBackend backend, RunId run, StoredFile stored,
        Func<Model, Shape, T> use, CancellationToken cancellation)
    {
        KnownAnswer replay = await backend.Known.AskAsync(
            new CoordinatorRequest.ShowReplay(run, 0), cancellation);
        if (replay.Answer is not CoordinatorAnswer.Replay { Setup.Outline.Train: var train })
        {
            return ApiAnswers.Of(replay.Answer);
        }

        try
        {
            T answer = await backend.Models.UseAsync(
                stored, $"the model of run {run}", backend.ReadFile,
                model => use(model, train.FeatureShape), cancellation);
            return Results.Json(answer, ApiJson.Options);
        }
        catch (Exception mistake) when (
            mistake is MistakeException or ModelException or InvalidDatasetException)
        {
            return ApiAnswers.Problem(StatusCodes.Status400BadRequest, mistake.Message);
        }
        catch (Exception failure) when (failure is CheckpointException or TimeoutException)
        {
            return ApiAnswers.Problem(
                StatusCodes.Status503ServiceUnavailable, failure.Message);
        }
    }

    private static PredictionAnswer Predict(
        RunId run, Model model, Shape shape, PredictionRequest request)
    {
        Prediction predicted = request switch
        {
            { Features: { IsDefault: false } features, Csv: null } =>
                model.Predict(Sample(model, shape, features))[0],
            { Csv: { } row, Features: null } => PredictRow(model, row),
            _ => throw new MistakeException("one of 'features' and 'csv' belongs into the body"),
        };
        return PredictionAnswer.Of(predicted);
    }

    private static InMemoryDataset Sample(
        Model model, Shape shape, ImmutableArray<double> features)
    {
        if (features.Length != shape.Count)
        {
            throw new MistakeException(
                $"'features' has {features.Length} numbers, where the network takes"
                + $" {shape.Count} ({shape})");
        }

        return new InMemoryDataset(
            "features", shape, new TargetSchema.Values([]),
            [.. features.Select(feature => (float)feature)], [],
            model.Header.FeatureNames);
    }

    // Tables are read from files, as they were for training.
    private static Prediction PredictRow(Model model, string csv)
    {
        string file = Path.Combine(
            Path.GetTempPath(), $"backprop-{Guid.NewGuid():N}.csv");
        try
        {
            File.WriteAllText(file, csv);
            return model.PredictFile(file) is [var first, ..]
                ? first
                : throw new MistakeException("'csv' has no row");
        }
        catch (Exception mistake) when (mistake is ModelException or InvalidDatasetException)
        {
            throw new MistakeException(
                mistake.Message.Replace(file, "csv", StringComparison.Ordinal));
        }
        finally
        {
            File.Delete(file);
        }
    }
}
