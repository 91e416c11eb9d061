using System.CommandLine;
using System.Globalization;
using Backprop.Console.Writing;
using Backprop.Models;
using Backprop.Training.Specification;

namespace Backprop.Console.Commands;

/// <summary><c>backprop generate</c>.</summary>
internal static class GenerateCommand
{
    private const int MostTokens = 1_000_000;
    private const int DefaultLength = 200;

    public static Command Create(CommandEnvironment environment)
    {
        Argument<string> model = SharedOptions.Model();
        Option<int?> threads = SharedOptions.Threads();
        Option<string?> configuration = SharedOptions.Configuration();
        var prompt = new Option<string>("--prompt")
        {
            Description = "What the text begins with [default: a line's end]",
            HelpName = "TEXT",
            DefaultValueFactory = _ => "\n",
        };
        var length = new Option<int>("--length")
        {
            Description = "Tokens to write [default: 200]",
            HelpName = "N",
            DefaultValueFactory = _ => DefaultLength,
        };
        length.Validators.Add(result =>
        {
            if (result.GetValue(length) is < 1 or > MostTokens)
            {
                result.AddError(string.Create(
                    CultureInfo.InvariantCulture,
                    $"--length is {result.GetValue(length)}, where 1 to {MostTokens} may be"));
            }
        });
        var temperature = new Option<double>("--temperature")
        {
            Description = "Above 1 bolder than the network, below 1 more careful, 0 always the "
                + "likeliest token [default: 1]",
            HelpName = "X",
            DefaultValueFactory = _ => 1,
        };
        temperature.Validators.Add(result =>
        {
            if (!(result.GetValue(temperature) is >= 0 and < double.PositiveInfinity))
            {
                result.AddError("--temperature must be a number that is not negative");
            }
        });
        var seed = new Option<ulong>("--seed")
        {
            Description = "Another number, another text [default: 0]",
            HelpName = "N",
        };
        var command = new Command("generate", "Have a trained network go on with a text")
        {
            model, prompt, length, temperature, seed, threads, configuration,
        };
        command.SetAction(result =>
        {
            string path = result.GetRequiredValue(model);
            LayerPlugins plugins = SharedOptions.Plugins(result, configuration, environment);
            var options = new GenerationOptions(
                result.GetRequiredValue(prompt), result.GetValue(length),
                result.GetValue(temperature), result.GetValue(seed));
            int count = result.GetValue(threads) ?? Environment.ProcessorCount;
            string text = new ComputeThread<string>(
                "generating", () => Generate(path, plugins, options, count)).Result();
            environment.For(result).Answer(
                new { prompt = options.Prompt, text }, [options.Prompt + text]);
        });
        return command;
    }

    private static string Generate(
        string modelPath, LayerPlugins plugins, GenerationOptions options, int threads)
    {
        using var model = Model.Load(modelPath, plugins);
        return TextGenerator.Generate(model, options, threads);
    }
}
