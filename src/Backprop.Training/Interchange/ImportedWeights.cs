using System.Collections.Immutable;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Backprop.Data;
using Backprop.Data.Tensors;
using Backprop.Engine.Initializers;
using Backprop.Engine.Networks;
using Backprop.Training.Specification;

namespace Backprop.Training.Interchange;

/// <summary>First weights that come from another program's file.</summary>
/// <param name="Network">The network that begins with them.</param>
/// <param name="Sha256">Of the imported parameters, names and values, in lower-case hex: what tells
/// one start from another.</param>
public sealed record ImportedWeights(Network Network, string Sha256)
{
    // More would hide the first.
    private const int MostMistakes = 8;

    /// <summary>Reads a file's tensors into a network.</summary>
    /// <param name="network">The network; parameters that are not imported keep their initializer.
    /// </param>
    /// <param name="asked">Which layers are not imported; for messages, where that stands.</param>
    /// <param name="file">Tensors by the names that are asked for; others are passed over.</param>
    /// <exception cref="SpecificationException">Tensors are missing or of another shape, a layer is
    /// named that there is not, or a configuration beside the file is of another network: all
    /// mistakes at once.</exception>
    /// <exception cref="InvalidDatasetException">A tensor or the configuration cannot be read.
    /// </exception>
    public static ImportedWeights Read(
        Network network, Placed<InitialWeightsSpecification> asked, ITensorFile file)
    {
        (ImmutableArray<StridedTensor> wanted, ImmutableArray<string> differing) =
            TiedTensors.In(Wanted(network, asked, file), file);
        RequireAll(wanted, differing, asked, file);
        var values = new Dictionary<string, float[]>(StringComparer.Ordinal);

        // What is added comes after what it is added to.
        foreach (StridedTensor tensor in wanted.OrderBy(tensor => tensor.IsAddend))
        {
            network.Layout.TryFind(tensor.Parameter, out ParameterView? view);
            if (!values.TryGetValue(tensor.Parameter, out float[]? parameter))
            {
                values.Add(tensor.Parameter, parameter = new float[view!.Length]);
            }

            ImmutableArray<long> shape = file.Find(tensor.Name)!.Shape;
            var read = new float[shape.Aggregate(1L, (product, extent) => product * extent)];
            file.Read(tensor.Name, read);
            tensor.Scatter(read.AsSpan(0, tensor.Count), parameter);
        }

        return new ImportedWeights(
            network.StartingFrom(values.ToDictionary(
                value => value.Key, Initializer (value) => new ExplicitValues(
                    ImmutableCollectionsMarshal.AsImmutableArray(value.Value)))),
            DigestOf(network.Layout, values));
    }

    private static ImmutableArray<StridedTensor> Wanted(
        Network network, Placed<InitialWeightsSpecification> asked, ITensorFile file)
    {
        ImmutableArray<string> except = asked.Value.Except;
        string[] layers =
        [
            .. network.Nodes.Where(node => !node.Layer.Parameters.IsEmpty)
                .Select(node => node.Layer.Name),
        ];
        string? stranger = except.FirstOrDefault(
            name => !layers.Any(layer => IsIn(layer, name)));
        if (stranger is not null)
        {
            throw new SpecificationException([asked.Place.Error(
                $"'except' names '{stranger}', and the network has no such layer with weights: "
                + $"they are {string.Join(", ", layers.Take(10))}"
                + (layers.Length > 10 ? ", …" : ""))]);
        }

        try
        {
            return
            [
                .. (asked.Value.Names == TensorNames.HuggingFace
                        ? HuggingFaceTensors(network, asked, file)
                        : PyTorchLayout.Of(network))
                    .Where(tensor => !except.Any(name => IsIn(tensor.Parameter, name))),
            ];
        }
        catch (NotSupportedException e)
        {
            throw new SpecificationException([asked.Place.Error(e.Message)]);
        }
    }

    // What tensors do not say, such as the number of heads, stands in the file beside them.
    private static ImmutableArray<StridedTensor> HuggingFaceTensors(
        Network network, Placed<InitialWeightsSpecification> asked, ITensorFile file)
    {
        HuggingFaceModel model = HuggingFaceLayout.Of(network);
        string[] differing =
        [
            .. DifferencesFrom(model.Configuration, file).Select(difference =>
                $"{HuggingFaceConfiguration.FileName} beside {file.Source} has {difference}"),
        ];
        return differing.Length == 0
            ? HuggingFaceLayout.In(model.Tensors, file)
            : throw new SpecificationException([.. differing.Select(asked.Place.Error)]);
    }

    private static string[] DifferencesFrom(
        HuggingFaceConfiguration configuration, ITensorFile file)
    {
        if (file.Beside(HuggingFaceConfiguration.FileName) is not { } text)
        {
            return [];
        }

        try
        {
            using var document = JsonDocument.Parse(text);
            return [.. configuration.DifferencesFrom(document.RootElement)];
        }
        catch (JsonException e)
        {
            throw new InvalidDatasetException(
                file.Source, $"{HuggingFaceConfiguration.FileName} beside it cannot be read: "
                + e.Message, "it is a JSON object, or is not there", cause: e);
        }
    }

    private static bool IsIn(string name, string layer) =>
        name.StartsWith(layer, StringComparison.Ordinal)
        && (name.Length == layer.Length || name[layer.Length] == '.');

    private static void RequireAll(
        ImmutableArray<StridedTensor> wanted, ImmutableArray<string> differing,
        Placed<InitialWeightsSpecification> asked, ITensorFile file)
    {
        string[] mistakes =
        [
            .. wanted.Select(tensor => file.Find(tensor.Name) switch
            {
                null => $"{file.Source} has no tensor '{tensor.Name}' {tensor.ShapeText}, for "
                    + $"'{tensor.Parameter}': if the layer is a new one, name it in 'except'",
                { Shape: var shape } entry when !tensor.CanBeReadOf(shape) =>
                    $"'{tensor.Name}' of {file.Source} is of shape {entry.ShapeText}, where the "
                    + $"network has {tensor.ShapeText}",
                _ => null,
            }).OfType<string>(),
            .. differing,
        ];
        if (mistakes.Length == 0)
        {
            return;
        }

        IEnumerable<string> told = mistakes.Length <= MostMistakes
            ? mistakes
            : mistakes.Take(MostMistakes).Append(
                $"{mistakes.Length - MostMistakes} more tensors are missing or of another shape");
        throw new SpecificationException([.. told.Select(asked.Place.Error)]);
    }

    private static string DigestOf(
        ParameterLayout layout, Dictionary<string, float[]> values)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (ParameterView view in layout.Views)
        {
            if (values.TryGetValue(view.Name, out float[]? parameter))
            {
                hash.AppendData(Encoding.UTF8.GetBytes(view.Name));
                hash.AppendData([0]);
                for (int at = 0; at < parameter.Length; at += LittleEndian.PieceFloats)
                {
                    hash.AppendData(LittleEndian.Piece(parameter, at));
                }
            }
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }
}
