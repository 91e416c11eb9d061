using System.Collections.Immutable;
using System.CommandLine;
using System.Text.Json.Nodes;
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

    private static string Line(Prediction prediction) =>
        $"{prediction.Sample}: {Text(prediction)}";

    private static string Text(Prediction prediction) => prediction switch
    {
        { Outputs: { IsEmpty: false } outputs } => string.Join(
            "; ", outputs.Select(output => $"{output.Name}: {Text(output.Prediction)}")),
        { Class: string name, Probability: double probability } =>
            $"{name} ({NumberText.Percent(probability)})",
        { Class: string name } => $"{name} ({Values(prediction)})",
        _ => Values(prediction),
    };

    private static string Values(Prediction prediction) => string.Join(
        ", ", prediction.Values.Select(v => $"{v.Name} {NumberText.Full(v.Value)}"));

    private static string Json(Prediction prediction) =>
        new JsonObject([new("sample", prediction.Sample), .. Fields(prediction)]).ToJsonString();

    private static IEnumerable<KeyValuePair<string, JsonNode?>> Fields(Prediction prediction)
    {
        if (!prediction.Outputs.IsEmpty)
        {
            return
            [
                new("predictions", new JsonObject(prediction.Outputs.Select(output =>
                    KeyValuePair.Create(
                        output.Name, (JsonNode?)new JsonObject(Fields(output.Prediction)))))),
            ];
        }

        var values = new JsonObject(prediction.Values.Select(
            value => KeyValuePair.Create(value.Name, (JsonNode?)value.Value)));
        return prediction switch
        {
            { Class: string name, Probability: double probability } =>
                [new("class", name), new("probability", probability), new("probabilities", values)],
            { Class: string name } => [new("class", name), new("outputs", values)],
            _ => [new("values", values)],
        };
    }
}
