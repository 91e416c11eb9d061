using System.CommandLine;
using Backprop.Console.Storage;
using Backprop.Models;

namespace Backprop.Console.Commands;

/// <summary><c>backprop export</c>.</summary>
internal static class ExportCommand
{
    private const string DefaultFormat = "safetensors";

    private static readonly Dictionary<string, ExportFormat> s_formats = new()
    {
        [DefaultFormat] = ExportFormat.Safetensors,
        ["onnx"] = ExportFormat.Onnx,
        ["npz"] = ExportFormat.Npz,
    };

    public static Command Create(CommandEnvironment environment)
    {
        Argument<string> model = SharedOptions.Model();
        Option<string?> configuration = SharedOptions.Configuration();
        var format = new Option<string>("--format")
        {
            Description = "safetensors and npz: weights by PyTorch's names and layouts; onnx: the "
                + "whole computation [default: safetensors]",
            HelpName = "NAME",
            DefaultValueFactory = _ => DefaultFormat,
        };
        format.AcceptOnlyFromAmong([.. s_formats.Keys]);
        var output = new Option<string?>("--output")
        {
            Description = "Where to write it [default: beside the model, by its name and format]",
            HelpName = "FILE",
        };
        var command = new Command("export", "Write a trained network for other programs")
        {
            model, format, output, configuration,
        };
        command.SetAction(result =>
        {
            string path = result.GetRequiredValue(model), name = result.GetRequiredValue(format);
            string file = result.GetValue(output) ?? Path.ChangeExtension(path, name);
            if (Path.GetFullPath(file) == Path.GetFullPath(path))
            {
                throw new MistakeException(
                    $"'{file}' is the model itself: name another file with --output");
            }

            using var loaded = Model.Load(
                path, SharedOptions.Plugins(result, configuration, environment));
            DurableFile.Write(
                file, stream => ModelExport.Write(loaded, s_formats[name], stream));
            environment.For(result).Answer(
                new { model = path, format = name, file }, [$"wrote {file}"]);
        });
        return command;
    }
}
