using System.Collections.Immutable;
using System.CommandLine;
using System.Text.Json;
using Backprop.Console.Rendering;
using Backprop.Models;
using Backprop.Training.Specification;

namespace Backprop.Console.Commands;

/// <summary><c>backprop predict</c>.</summary>
internal static class PredictCommand
{
    public static Command Create(CommandEnvironment environment)
    {
        Argument<string> model = SharedOptions.Model();
        Option<int?> threads = SharedOptions.Threads();
        Option<string?> configuration = SharedOptions.Configuration();
        Argument<string> input = SharedOptions.FileArgument(
            "INPUT", "Samples without targets: a table like the one it was trained on, an IDX "
            + "file of images, or NumPy's .npy or .npz");
        var command = new Command("predict", "Say what a trained network makes of samples")
        {
            model, input, threads, configuration,
        };
        command.SetAction(result =>
        {
            string modelPath = result.GetRequiredValue(model);
            LayerPlugins plugins = SharedOptions.Plugins(result, configuration, environment);
            string inputPath = result.GetRequiredValue(input);
            int count = result.GetValue(threads) ?? Environment.ProcessorCount;
            ImmutableArray<Prediction> predictions =
                new ComputeThread<ImmutableArray<Prediction>>(
                    "predicting", () => Predict(modelPath, plugins, inputPath, count)).Result();
            foreach (Prediction prediction in predictions)
            {
                environment.Output.WriteLine(
                    SharedOptions.IsJson(result) ? Json(prediction) : Line(prediction));
            }
        });
        return command;
    }

    private static ImmutableArray<Prediction> Predict(
        string modelPath, LayerPlugins plugins, string inputPath, int threads)
    {
        using var model = Model.Load(modelPath, plugins);
        return model.PredictFile(inputPath, threads);
    }

    private static string Line(Prediction prediction) => prediction switch
    {
        { Class: string name, Probability: double probability } =>
            $"{prediction.Sample}: {name} ({NumberText.Percent(probability)})",
        { Class: string name } => $"{prediction.Sample}: {name} ({Values(prediction)})",
        _ => $"{prediction.Sample}: {Values(prediction)}",
    };

    private static string Values(Prediction prediction) => string.Join(
        ", ", prediction.Values.Select(v => $"{v.Name} {NumberText.Full(v.Value)}"));

    private static string Json(Prediction prediction)
    {
        var values = prediction.Values.ToDictionary(v => v.Name, v => v.Value);
        long sample = prediction.Sample;
        return prediction switch
        {
            { Class: string @class, Probability: double probability } =>
                JsonSerializer.Serialize(
                    new { sample, @class, probability, probabilities = values }),
            { Class: string @class } =>
                JsonSerializer.Serialize(new { sample, @class, outputs = values }),
            _ => JsonSerializer.Serialize(new { sample, values }),
        };
    }
}
